"""Judges a report of schemathesis: `judge.py REPORT CASES_MIN [LIST]`. Whatever was found must be listed, and whatever is listed must be found, but for what
its reason says to be found seldom: only a run of many requests comes upon it."""

import json
import re
import sys

# An answer of 5xx, of another shape or of another type than the document says has no excuse.
NEVER = {"ServerError", "JsonSchemaError", "UndefinedContentType", "MissingContentType", "MalformedMediaType", "MalformedJson"}

report = json.load(open(sys.argv[1]))
listed, seldom = set(), set()
if len(sys.argv) > 3:
    for line in open(sys.argv[3]):
        if entry := re.fullmatch(r"\| `(\w+)` \| `([^`]+)` \| (.{10,}) \|\n?", line):
            listed.add((entry[1], entry[2]))
            if entry[3].startswith("seldom: "):
                seldom.add((entry[1], entry[2]))
found = {(failure["type"], operation) for failure in report["failures"] for operation in failure["operations"]}

wrong = [f"{operation}: {kind}, not listed" for kind, operation in sorted(found - listed)]
wrong += [f"{operation}: {kind} is listed and was not found" for kind, operation in sorted(listed - seldom - found)]
wrong += [f"{operation}: {kind} cannot be excused" for kind, operation in sorted(listed) if kind in NEVER]
wrong += [f"error: {error}" for error in report["errors"]]
if not report["complete"] or report["operations"]["tested"] != report["operations"]["selected"]:
    wrong.append("not everything was tested")
if refused := report["warnings"]["missing_auth"] + report["warnings"]["rate_limited"]:
    wrong.append(f"the server let nothing through to {', '.join(refused)}: the key that was shown was revoked, or too much was asked")
if report["test_cases"]["generated"] < int(sys.argv[2]):
    wrong.append(f"only {report['test_cases']['generated']} requests were made")
if wrong:
    sys.exit("schemathesis: " + "\n  ".join(wrong))
print(f"schemathesis: {report['test_cases']['generated']} requests, {len(found)} findings, each of them listed")
