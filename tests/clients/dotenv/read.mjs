// Reads the cases on standard input with dotenv, and prints what it makes of each.
import { readFileSync } from "node:fs";
import { parse } from "dotenv";

const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(({ file }) => parse(file).A ?? null)));
