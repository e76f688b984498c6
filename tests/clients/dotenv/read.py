"""Reads the cases with python-dotenv, with dotenv and with a shell, and holds what they make of them to what tightlip does (the same cases are in the vault's
tests): where tightlip has no doubt, both libraries read its value; where it has one, one of the three does not, but where only programs read it otherwise that
are not run here ("elsewhere"); and in the quotes that settle a doubt, all three read the value."""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import dotenv

here = Path(__file__).parent
os.environ.pop("B", None)


def of_node(files):
    given = json.dumps([{"file": file} for file in files])
    return json.loads(subprocess.run(["node", here / "read.mjs"], input=given, check=True, capture_output=True, text=True).stdout)


def of_python(files):
    return [dotenv.dotenv_values(stream=io.StringIO(file, newline=None)).get("A") for file in files]


def of_shell(files):
    """What a shell has in A; None where it gives up."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        read = []
        for file in files:
            path.write_bytes(file.encode())
            line = ["sh", "-c", '. "$0" && printf %sx "$A"', path]
            ended = subprocess.run(line, env={"PATH": os.environ["PATH"]}, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
            read.append(ended.stdout.decode()[:-1] if ended.returncode == 0 else None)
        return read


cases = json.loads((here / "cases.json").read_text())
files = [case["file"] for case in cases]
wrong = 0
for case, node, python, shell in zip(cases, of_node(files), of_python(files), of_shell(files), strict=True):
    libraries = node == python == case["value"]
    is_read_alike = libraries and ("doubt" not in case or shell == case["value"])
    if is_read_alike != ("doubt" not in case or "elsewhere" in case):
        wrong += 1
        print(f"{case['file']!r}: tightlip {case['value']!r}, dotenv {node!r}, python-dotenv {python!r}, a shell {shell!r}")

marks = {"single": "'", "double": '"'}
settled = [case for case in cases if "quotes" in case]
files = [f"A={marks[case['quotes']]}{case['value']}{marks[case['quotes']]}" for case in settled]
for case, file, *read in zip(settled, files, of_node(files), of_python(files), of_shell(files), strict=True):
    if any(value != case["value"] for value in read):
        wrong += 1
        print(f"{file!r} settles nothing: {read!r}")
print(f"dotenv files: {len(cases)} cases, {len(settled)} of them in other quotes too, {wrong} wrong")
sys.exit(1 if wrong else 0)
