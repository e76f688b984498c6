// Stands in for the two model services: it streams replies as their APIs do, and remembers which credential each request carried and in which header,
// never the credential itself.
import { createServer } from 'node:https';

/**
 * Starts a stand-in on a port of its own.
 * - `certificate`, `key`: PEM
 * - `credential`: the one that it knows
 * - `words`: what its model says. While its `command` is set, the model has that run in a shell first
 */
export async function startStandIn({ certificate, key, credential, words }) {
  const standIn = { requests: [], command: undefined };
  const server = createServer({ cert: certificate, key }, async (request, response) => {
    const body = await read(request);
    const path = new URL(request.url, 'https://stand-in.test').pathname;
    const carried = credentialsOf(request.headers, credential);
    standIn.requests.push({ host: request.headers.host, method: request.method, path, carried, body });
    if (!carried.some((one) => one.isTrue)) {
      answer(response, 401, { type: 'error', error: { type: 'authentication_error', message: 'the stand-in knows one credential' } });
    } else if (request.method === 'POST' && path === '/v1/messages') {
      const { model, messages } = JSON.parse(body);
      const asked = standIn.command && !JSON.stringify(messages).includes('"tool_result"');
      stream(response, asked ? messageWithTool(model, standIn.command) : message(model, words));
    } else if (request.method === 'POST' && path === '/v1/responses') {
      const { model, input } = JSON.parse(body);
      const asked = standIn.command && !input.some((item) => item.type === 'custom_tool_call_output');
      stream(response, asked ? responseWithTool(model, standIn.command) : spoken(model, words));
    } else {
      answer(response, 404, { type: 'error', error: { type: 'not_found_error', message: 'the stand-in has no such route' } });
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return Object.assign(standIn, {
    address: `127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }),
  });
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** The headers that hold a credential, and whether it is the true one, in the form that belongs there. */
function credentialsOf(headers, credential) {
  const forms = { 'x-api-key': credential, authorization: `Bearer ${credential}` };
  return Object.keys(forms).filter((header) => header in headers).map((header) => ({ header, isTrue: headers[header] === forms[header] }));
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function stream(response, events) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  response.end();
}

/** A reply of words, as the Messages API streams it. */
function message(model, words) {
  const deltas = pieces(words).map((text) => ({ type: 'text_delta', text }));
  return messageEvents(model, { type: 'text', text: '' }, deltas, 'end_turn');
}

/** A reply that has a command run. */
function messageWithTool(model, command) {
  const block = { type: 'tool_use', id: 'toolu_standin', name: 'Bash', input: {} };
  const input = JSON.stringify({ command, description: 'Run what the test asks for' });
  return messageEvents(model, block, [{ type: 'input_json_delta', partial_json: input }], 'tool_use');
}

function messageEvents(model, content_block, deltas, stop_reason) {
  const usage = { input_tokens: 1, output_tokens: 1 };
  const begun = { id: 'msg_standin', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage };
  return [
    { type: 'message_start', message: begun },
    { type: 'content_block_start', index: 0, content_block },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 1 } },
    { type: 'message_stop' },
  ];
}

/** A reply of words, as the Responses API streams it. */
function spoken(model, words) {
  const part = { type: 'output_text', text: words, annotations: [] };
  const item = { id: 'msg_standin', type: 'message', role: 'assistant', status: 'completed', content: [part] };
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  return responseEvents(model, item, [
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    ...pieces(words).map((delta) => ({ type: 'response.output_text.delta', ...at, delta })),
    { type: 'response.output_text.done', ...at, text: words },
    { type: 'response.content_part.done', ...at, part },
  ]);
}

/** A reply that has a command run: the models that Codex knows call its tools from a program of theirs. */
function responseWithTool(model, command) {
  const program = `text(JSON.stringify(await tools.exec_command({ cmd: ${JSON.stringify(command)} })));`;
  const item = { id: 'ctc_standin', type: 'custom_tool_call', status: 'completed', call_id: 'call_standin', namespace: 'functions', name: 'exec', input: program };
  return responseEvents(model, item, [
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', input: '' } },
    { type: 'response.custom_tool_call_input.done', item_id: item.id, output_index: 0, input: program },
  ]);
}

function responseEvents(model, item, between) {
  const head = { id: 'resp_standin', object: 'response', created_at: 1, model };
  const usage = { input_tokens: 1, input_tokens_details: { cached_tokens: 0 }, output_tokens: 1, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 2 };
  const events = [
    { type: 'response.created', response: { ...head, status: 'in_progress', output: [] } },
    ...between,
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: { ...head, status: 'completed', output: [item], usage } },
  ];
  return events.map((event, sequence_number) => ({ ...event, sequence_number }));
}

/** Words as a model says them: one by one. */
function pieces(words) {
  return words.split(/(?<= )/);
}
