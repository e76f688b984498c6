// Reads a JSON array of texts, and answers with the rules of secretlint's recommended preset that each is taken for. Texts are lines of larger ones, since each
// look costs the same, however little there is to see.
import { lintSource } from "@secretlint/core";
import { creator } from "@secretlint/secretlint-rule-preset-recommend";

const LINES = 200;
let input = "";
for await (const piece of process.stdin) input += piece;
const texts = JSON.parse(input).map((text) => text.replaceAll("\n", " "));
const config = { rules: [{ id: "@secretlint/secretlint-rule-preset-recommend", rule: creator, options: {} }] };
const answers = texts.map(() => new Set());
for (let first = 0; first < texts.length; first += LINES) {
    const content = texts.slice(first, first + LINES).join("\n");
    const source = { content, filePath: "text.txt", contentType: "text" };
    const { messages } = await lintSource({ source, options: { config } });
    for (const { loc, ruleId } of messages) answers[first + loc.start.line - 1].add(ruleId.replace("@secretlint/secretlint-rule-", ""));
}
process.stdout.write(JSON.stringify(answers.map((rules) => [...rules].sort())));
