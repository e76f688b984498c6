// The agent: runs inside a devbox, asks over MCP for a secret that is not there, waits until there is a placeholder, and uses it. Whatever it says and hears is
// its transcript, a line each. Where a file `other-hosts` appears, it asks for the same secret towards other hosts instead, and ends.
import { existsSync } from 'node:fs';

const [, , name, ...hosts] = process.argv;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function call(tool, args) {
  const asked = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args } };
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const reply = await fetch(process.env.TIGHTLIP_MCP_URL, { method: 'POST', headers, body: JSON.stringify(asked) });
  const heard = await reply.json();
  say({ asked, status: reply.status, heard });
  return heard.result?.structuredContent ?? {};
}

async function use(host, placeholder) {
  const reply = await fetch(`https://${host}/v1/whoami`, { headers: { authorization: `Bearer ${placeholder}` } });
  say({ used: host, status: reply.status, refusal: reply.headers.get('x-tightlip-refusal'), heard: await reply.text() });
}

const { request } = await call('request_secret', { name, hosts, form: 'bearer', reason: 'To publish the preview that you asked for.' });
say({ link: request?.entry_url });
let last = request;
while (last && !last.placeholder && ['waiting', 'entered', 'approved'].includes(last.status)) {
  await new Promise((done) => setTimeout(done, 200));
  if (existsSync('other-hosts')) {
    const other = await call('request_secret', { name, hosts: ['uploads.example.com'], form: 'bearer', reason: 'To publish the preview that you asked for.' });
    say({ other: other.request?.entry_url });
    process.exit();
  }
  last = (await call('request_status', { id: request.id })).request;
}
for (const host of hosts) await use(host, last?.placeholder ?? 'none');
say({ environment: process.env });
