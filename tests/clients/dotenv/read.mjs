// Reads the cases with dotenv, and prints what it makes of each.
import { readFileSync } from "node:fs";
import { parse } from "dotenv";

const cases = JSON.parse(readFileSync(new URL("cases.json", import.meta.url), "utf8"));
console.log(JSON.stringify(cases.map(({ file }) => parse(file).A ?? null)));
