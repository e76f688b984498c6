// The official conformance suite, the official inspector's command line and the official client, unchanged, at the agents' door of a throw-away server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startRelay } from './relay.mjs';

const { TIGHTLIP_URL, TIGHTLIP_API_KEY, TIGHTLIP_DATA } = process.env;
const BINARY = join(import.meta.dirname, '../../target/debug/tightlip');
const MODULES = join(import.meta.dirname, 'node_modules');
const NODE = process.execPath;
const SUITE = join(MODULES, '@modelcontextprotocol/conformance/dist/index.js');
const INSPECTOR = join(MODULES, '.bin/mcp-inspector');
const TOOLS = ['list_secrets', 'how_to_use', 'test_secret', 'my_refusals', 'request_secret', 'request_access', 'request_status'];
const VALUE = 'ghp_Kz4rT8wQ2mN6vB1xC9yL3pH7jD5fG0sAeUiO';

const folder = mkdtempSync(join(tmpdir(), 'tightlip-mcp-'));
const [home, work] = ['home', 'work'].map((name) => join(folder, name));
for (const made of [home, work]) mkdirSync(made);
let relay;

before(async () => {
  relay = await startRelay(TIGHTLIP_URL, TIGHTLIP_API_KEY);
  const stored = await run(BINARY, ['secret', 'set', 'GITHUB_TOKEN'], { input: VALUE });
  assert.equal(stored.code, 0, stored.err);
});
after(() => {
  relay?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program to its end. */
function run(program, args, { input = '', env = {} } = {}) {
  return new Promise((done) => {
    const options = { cwd: work, env: { ...process.env, HOME: home, ...env }, maxBuffer: 1 << 24, timeout: 60_000 };
    const child = execFile(program, args, options, (error, out, err) => done({ code: error ? error.code ?? 'signal' : 0, out, err }));
    child.stdin.end(input);
  });
}

/** The rows of `scenarios.md`. */
function scenarios() {
  const rows = readFileSync(join(import.meta.dirname, 'scenarios.md'), 'utf8').matchAll(/^\| ([a-z0-9-]+) \| (yes|no) \| (.*?) ?\|$/gm);
  return [...rows].map(([, name, applies, why]) => ({ name, applies: applies === 'yes', why }));
}

test('the list of scenarios is the suite\'s own, and whatever does not apply has a reason', async () => {
  const { out } = await run(NODE, [SUITE, 'list', '--server']);
  const server = out.split('Client scenarios')[0];
  const known = [...server.matchAll(/^\s+- (\S+) \[/gm)].map(([, name]) => name).sort();
  assert.ok(known.length >= 30, out);
  assert.deepEqual(scenarios().map(({ name }) => name).sort(), known);
  for (const { name, applies, why } of scenarios()) assert.equal(applies, why === '', name);
});

test('every scenario that applies passes', async () => {
  const ours = scenarios().filter(({ applies }) => applies);
  assert.equal(ours.length, 4);
  for (const { name } of ours) {
    const told = await run(NODE, [SUITE, 'server', '--url', relay.url, '--scenario', name]);
    assert.equal(told.code, 0, `${name}: ${told.out}${told.err}`);
    assert.match(told.out, /Passed: ([1-9]\d*)\/\1, 0 failed, 0 warnings/, name);
  }
});

test('no page is let in, by whatever name it comes', async () => {
  const { host } = new URL(relay.url);
  for (const named of ['evil.example.com', host]) {
    const told = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', relay.url, '-H', `Host: ${named}`, '-H', `Origin: http://${named}`, '-H', 'Content-Type: application/json', '-d', '{"jsonrpc":"2.0","id":1,"method":"ping"}']);
    assert.equal(told.out, '403', named);
  }
});

/** The inspector's words for one method, over HTTP or standard input. */
async function inspect(way, args) {
  const target = way === 'http'
    ? [`${TIGHTLIP_URL}/mcp`, '--transport', 'http', '--header', `Authorization: Bearer ${TIGHTLIP_API_KEY}`]
    : ['-e', `TIGHTLIP_DATA=${TIGHTLIP_DATA}`, BINARY, 'mcp'];
  const told = await run(NODE, [INSPECTOR, '--cli', ...target, ...args], { env: { MCP_CATALOG_PATH: join(folder, 'catalog.json') } });
  return { ...told, said: () => JSON.parse(told.out) };
}

for (const way of ['http', 'stdio']) {
test(`the inspector drives each tool over ${way}`, async () => {
  const listed = await inspect(way, ['--method', 'tools/list', '--strict']);
  assert.equal(listed.code, 0, listed.err);
  assert.deepEqual(listed.said().tools.map(({ name }) => name), TOOLS);
  const call = async (tool, ...pairs) => {
    const args = pairs.flatMap((pair) => ['--tool-arg', pair]);
    const told = await inspect(way, ['--method', 'tools/call', '--tool-name', tool, ...args]);
    return told.out === '' ? assert.fail(`${tool}: ${told.err}`) : told.said();
  };
  const secrets = await call('list_secrets');
  assert.equal(secrets.structuredContent.secrets[0].name, 'GITHUB_TOKEN', JSON.stringify(secrets));
  const use = await call('how_to_use', 'name=GITHUB_TOKEN');
  assert.match(use.structuredContent.advice[0], /api\.github\.com/);
  const tested = await call('test_secret', 'name=GITHUB_TOKEN', 'host=api.github.com');
  assert.equal(tested.structuredContent.results[0].passes, true, JSON.stringify(tested));
  assert.deepEqual((await call('my_refusals', 'limit=3')).structuredContent.refusals, []);
  const name = `BY_${way.toUpperCase()}`;
  const asked = await call('request_secret', `name=${name}`, 'hosts=["api.example.com"]', 'reason=to deploy');
  const { request } = asked.structuredContent;
  assert.equal(request.status, 'waiting', JSON.stringify(asked));
  assert.match(request.entry_url, new RegExp(`^${TIGHTLIP_URL}/`));
  const access = await call('request_access', 'name=GITHUB_TOKEN', `host=${way}.example.com`, 'reason=to upload');
  assert.equal(access.structuredContent.request.status, 'waiting', JSON.stringify(access));
  const status = await call('request_status', `id=${request.id}`);
  assert.deepEqual([status.structuredContent.request.id, status.structuredContent.request.name], [request.id, name]);
  const leak = await call('how_to_use', `name=${VALUE}`);
  assert.equal(leak.structuredContent.code, 'looks_like_secret');
  for (const said of [secrets, use, tested, asked, access, status, leak]) assert.ok(!JSON.stringify(said).includes(VALUE.slice(8, 20)));
});
}

test('the inspector finds the skill as it is promised', async () => {
  const told = await inspect('http', ['--method', 'skills/list', '--verify', '--require-digests']);
  assert.equal(told.code, 0, told.out + told.err);
  assert.match(told.out, /using-brokered-secrets/);
});

for (const revision of ['2025-11-25', '2026-07-28']) {
test(`a client inside a devbox lists, tests and asks in ${revision}`, async () => {
  const name = `OF_${revision.replaceAll('-', '_')}`;
  const inside = ['run', '-q', '--secret', 'GITHUB_TOKEN', '--ro', import.meta.dirname, '--env', `LOOKS=${revision}`, '--'];
  const script = 'LOOKS_SECRET=$GITHUB_TOKEN exec "$0" "$@"';
  const told = await run(BINARY, [...inside, 'sh', '-c', script, NODE, join(import.meta.dirname, 'devbox.mjs'), revision, name]);
  assert.equal(told.code, 0, told.err + told.out);
  const said = JSON.parse(told.out);
  assert.deepEqual(said.tools, TOOLS);
  assert.deepEqual(said.secrets.secrets.map((secret) => [secret.name, secret.env]), [['GITHUB_TOKEN', 'GITHUB_TOKEN']]);
  assert.match(said.use.advice[0], /\$GITHUB_TOKEN/);
  assert.equal(said.passing.results[0].passes, true);
  assert.equal(said.refused.results[0].refusal, 'host_not_bound');
  assert.deepEqual(said.refusals.refusals, []);
  assert.deepEqual([said.asked.request.status, said.asked.request.name], ['waiting', name]);
  assert.equal(said.status.request.id, said.asked.request.id);
  assert.equal(said.access.request.status, 'waiting');
  assert.equal(said.leak.code, 'looks_like_secret');
  const shows = revision === '2026-07-28';
  assert.equal(said.shown.length, shows ? 1 : 0);
  // The link is for the person: it passes the model only where the client has no other way.
  assert.equal(told.out.includes('entry_url'), !shows);
  const link = shows ? said.shown[0].url : said.asked.request.entry_url;
  assert.ok(link.startsWith(`${TIGHTLIP_URL}/`), link);
  assert.ok(!told.out.includes(VALUE.slice(8, 20)));
});
}

test('nothing that was stored or typed is shown afterwards', async () => {
  for (const args of [['requests'], ['--json', 'requests'], ['--json', 'events']]) {
    const told = await run(BINARY, args);
    assert.equal(told.code, 0, told.err);
    assert.ok(!(told.out + told.err).includes(VALUE.slice(8, 20)), args.join(' '));
  }
});
