"""Reads the cases with python-dotenv and with dotenv, and holds what they make of them to what tightlip does (the same cases are in the vault's tests):
where tightlip has no doubt, both read its value; where it has one, one of them does not."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import dotenv

here = Path(__file__).parent
cases = json.loads((here / "cases.json").read_text())
os.environ.pop("B", None)
node = json.loads(subprocess.run(["node", here / "read.mjs"], check=True, capture_output=True, text=True).stdout)
python = [dotenv.dotenv_values(stream=io.StringIO(case["file"], newline=None)).get("A") for case in cases]
wrong = 0
for case, of_node, of_python in zip(cases, node, python, strict=True):
    same = of_node == of_python == case["value"]
    if same == ("doubt" in case):
        wrong += 1
        print(f"{case['file']!r}: tightlip {case['value']!r}, dotenv {of_node!r}, python-dotenv {of_python!r}")
print(f"dotenv files: {len(cases)} cases, {wrong} wrong")
sys.exit(1 if wrong else 0)
