// What an agent's client does inside a devbox, in the revision that is named: lists, tests, asks, and looks what became of it. Writes what it was told as JSON.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [revision, name] = process.argv.slice(2);
const told = { revision, shown: [] };
const mode = revision === '2026-07-28' ? { pin: revision } : 'legacy';
const client = new Client({ name: 'devbox', version: '1' }, { capabilities: { elicitation: { url: {} } }, versionNegotiation: { mode } });
client.setRequestHandler('elicitation/create', ({ params }) => {
  told.shown.push(params);
  return { action: 'accept' };
});
await client.connect(new StreamableHTTPClientTransport(new URL(process.env.TIGHTLIP_MCP_URL)));
const call = async (tool, args = {}) => {
  const { isError, structuredContent, content } = await client.callTool({ name: tool, arguments: args });
  return { isError: Boolean(isError), ...structuredContent, text: content[0].text };
};
told.tools = (await client.listTools()).tools.map((tool) => tool.name);
told.secrets = await call('list_secrets');
told.use = await call('how_to_use', { name: 'GITHUB_TOKEN' });
told.passing = await call('test_secret', { name: 'GITHUB_TOKEN', host: 'api.github.com' });
told.refused = await call('test_secret', { name: 'GITHUB_TOKEN', host: 'elsewhere.example.com' });
told.refusals = await call('my_refusals');
told.asked = await call('request_secret', { name, hosts: ['api.example.com'], reason: 'to deploy' });
told.status = await call('request_status', { id: told.asked.request.id });
told.access = await call('request_access', { name: 'GITHUB_TOKEN', host: 'uploads.example.com', methods: ['POST'], reason: 'to upload' });
told.leak = await call('how_to_use', { name: process.env.LOOKS_SECRET });
console.log(JSON.stringify(told));
await client.close();
