"""Samples and placeholders of every kind, held to the rules of two public detectors, and texts made of their rules, held to the catalogue.

The outcome is a table; what is committed is what is expected: `check.py expected.md`, or `check.py --write expected.md`.
"""

import difflib
import importlib
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import texts

HERE = Path(__file__).parent
KINDS = os.environ["TIGHTLIP_KINDS"]
SAMPLES = 20
# Those of detect-secrets that know a provider's values by how they look; entropy and key words say nothing of a kind.
PLUGINS = {
    "artifactory": "ArtifactoryDetector",
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
# The expressions of secretlint's rules, by the names that they have in its preset. What looks for values inside other text is left out.
EXPRESSIONS = {
    "AWSAccessKeyIDPattern": "aws",
    "NPM_ACCESS_TOKEN_PATTERN": "npm",
    "SLACK_TOKEN_PATTERN": "slack",
    "SENDGRID_KEY_PATTERN": "sendgrid",
    "SHOPIFY_KEY_PATTERN": "shopify",
    "CLASSIC_GITHUB_TOKEN_PATTERN": "github",
    "FINE_GRAINED_GITHUB_TOKEN_PATTERN": "github",
}
# Those that have no name of their own, by what is in them.
NAMELESS = {"T3BlbkFJ": "openai", "sk-ant-api0": "anthropic", "lin_api_": "linear", "ops_": "1password"}


def plugins():
    return {name: getattr(importlib.import_module(f"detect_secrets.plugins.{name}"), of)() for name, of in PLUGINS.items()}


def by_detect_secrets(detectors, samples):
    return [sorted(name for name, detector in detectors.items() if any(True for _ in detector.analyze_string(text))) for text in samples]


def by_secretlint(samples):
    asked = subprocess.run(["node", HERE / "secretlint.mjs"], input=json.dumps(samples), capture_output=True, text=True, check=True)
    return json.loads(asked.stdout)


def by_tightlip(samples):
    lines = "".join(text.replace("\n", " ") + "\n" for text in samples)
    return subprocess.run([KINDS, "recognise"], input=lines, capture_output=True, text=True, check=True).stdout.split()


def shapes():
    """Those that tell a kind: what other values share is no detector's either, but by chance."""
    told = subprocess.run([KINDS, "shapes"], capture_output=True, text=True, check=True).stdout
    return [shape for shape in map(json.loads, told.splitlines()) if shape["mark"] != "nothing"]


def preset_expressions():
    """The expressions that stand in the preset's own code, as Python reads them."""
    folder = HERE / "node_modules/@secretlint/secretlint-rule-preset-recommend/module"
    found = []
    for file in sorted(folder.glob("*.js")):
        for name, pattern in re.findall(r"const (\w+) = /((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/[a-z]+;", file.read_text()):
            rule = EXPRESSIONS.get(name) or next((rule for mark, rule in NAMELESS.items() if name == "pattern" and mark in pattern), None)
            if rule:
                found.append((f"secretlint: {rule}", pattern.replace("(?<!\\p{L})", "").replace("(?<type>", "(")))
    missing = (set(EXPRESSIONS.values()) | set(NAMELESS.values())) - {name.split(": ")[1] for name, _ in found}
    assert not missing, f"the preset has no expression for {missing}"
    return found


def counted(answers):
    """`slack 20/20`: which rules, and how many of the texts."""
    rules = sorted({rule for answer in answers for rule in answer})
    return ", ".join(f"{rule} {sum(rule in answer for answer in answers)}/{len(answers)}" for rule in rules) or "-"


def by_shape(detectors):
    rows, samples, counts = [], 0, 0
    all_shapes = shapes()
    drawn = [[texts.of_shape(shape["shape"], random.Random(f"{shape['shape']} {number}")) for number in range(SAMPLES)] for shape in all_shapes]
    everything = [text for texts_of, shape in zip(drawn, all_shapes) for text in texts_of + shape["placeholders"]]
    lint = dict(zip(everything, by_secretlint(everything)))
    kinds = dict(zip(everything, by_tightlip(everything)))
    for shape, own in zip(all_shapes, drawn):
        placeholders = shape["placeholders"]
        samples, counts = samples + len(own), counts + len(placeholders)
        known = {kinds[text] for text in own}
        assert known == {shape["kind"]}, f"{shape['shape']} is taken for {known}"
        assert shape["bits"] < 128 or {kinds[text] for text in placeholders} <= {shape["kind"]}, shape["shape"]
        cells = [counted(by_detect_secrets(detectors, own)), counted(by_detect_secrets(detectors, placeholders)) if placeholders else ""]
        cells += [counted([lint[text] for text in own]), counted([lint[text] for text in placeholders]) if placeholders else ""]
        if any(cell not in ("-", "") for cell in cells):
            rows.append(f"| {shape['kind']} | `{shape['shape']}` | " + " | ".join(cells) + " |")
    return rows, samples, counts


def by_rule(detectors):
    rules = [(f"detect-secrets: {name}", expression.pattern) for name, detector in detectors.items() for expression in detector.denylist]
    rows = []
    for rule, pattern in rules + preset_expressions():
        made = [texts.of_regex(pattern, random.Random(f"{pattern} {number}")) for number in range(SAMPLES)]
        rows.append(f"| {rule} | `{pattern.replace('|', chr(92) + '|')}` | {counted([[kind] for kind in by_tightlip(made)])} |")
    return rows


def document():
    detectors = plugins()
    shaped, samples, placeholders = by_shape(detectors)
    ruled = by_rule(detectors)
    head = (HERE / "head.md").read_text()
    text = head.replace("SHAPES", "\n".join(shaped)).replace("RULES", "\n".join(ruled))
    return text, f"{placeholders} placeholders and {samples} samples of {len(shapes())} shapes, and {len(ruled) * SAMPLES} texts of {len(ruled)} rules"


def main():
    path = HERE / "expected.md"
    text, summary = document()
    if sys.argv[1:] == ["--write"]:
        path.write_text(text)
    expected = path.read_text().splitlines()
    if text.splitlines() != expected:
        print("\n".join(difflib.unified_diff(expected, text.splitlines(), "expected", "found", lineterm="", n=0)))
        print("detectors: not as listed in tests/detectors/expected.md; where that is right, scripts/test-detectors --write", file=sys.stderr)
        return 1
    print(f"detectors: {summary}, as listed")
    return 0


sys.exit(main())
