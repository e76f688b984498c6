// Holds the JSON Schema of a secret to its meta-schema, and the capability to the schema of its format. A second reader beside the Rust tests' own.
import { readFileSync } from 'node:fs';

import { parse } from '@stoplight/yaml';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const root = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');

/** Ends the process where the schema or the document does not hold, or where the schema takes a broken document as well. */
function hold(what, schema, document, broken) {
  // The published schemas say more than they must, which is what "strict" takes for a mistake.
  const ajv = addFormats(new Ajv2020({ allErrors: true, strict: false }));
  if (!ajv.validateSchema(schema)) throw new Error(`${what}: the schema is none: ${ajv.errorsText()}`);
  const validate = ajv.compile(schema);
  if (!validate(document)) throw new Error(`${what}: ${ajv.errorsText(validate.errors)}`);
  if (validate(broken)) throw new Error(`${what}: a broken one was taken`);
  console.log(`schemas: ${what} holds`);
}

const secret = { id: 'sec_000000000000000000000', name: 'A', create_time_ms: 1, update_time_ms: 2 };
hold('secret.json', JSON.parse(read('crates/api/schemas/secret.json')), secret, { ...secret, id: 7 });
const capability = parse(read('capability/tightlip.yaml'));
hold('tightlip.yaml', JSON.parse(read('tests/documents/vendor/ikanos/schemas/ikanos-schema.json')), capability, { ...capability, capability: 7 });
