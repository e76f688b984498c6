// The real command lines of two coding agents, unchanged, in `tightlip run --agent`, against stand-ins of the services that they call.
// The tests share one server and run in order.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { WORDS, search, startServer } from './server.mjs';

const server = await startServer();
after(() => server.stop());

const CLAUDE = { agent: 'claude', secret: 'ANTHROPIC_API_KEY', header: 'x-api-key', path: '/v1/messages', ask: ['claude', '-p', 'say hi'] };
const CODEX = { agent: 'codex', secret: 'OPENAI_API_KEY', header: 'authorization', path: '/v1/responses', ask: ['codex', 'exec', '--skip-git-repo-check', 'say hi'] };
const BOTH = [CLAUDE, CODEX];

/** What the stand-in was asked since the last look. */
function takeRequests({ agent }) {
  return server.standIns[agent].requests.splice(0);
}

/** That the model was asked so many times, each time with the true credential in its header and nowhere else; and that no request carried another. */
function assertAsked(one, requests, { times, timesMin = times, timesMax = times }) {
  const calls = requests.filter((request) => request.method === 'POST' && request.path === one.path);
  assert.ok(calls.length >= timesMin && calls.length <= timesMax, JSON.stringify(requests.map(({ method, path }) => [method, path])));
  for (const call of calls) assert.deepEqual(call.carried, [{ header: one.header, isTrue: true }]);
  for (const request of requests) {
    assert.ok(request.carried.every((credential) => credential.isTrue), 'a placeholder left the devbox');
    assert.ok(!request.body.includes(server.values[one.agent]), 'the value stood in a body');
  }
}

/** That neither the value nor a good part of it was shown or written. */
function assertNowhere(one, { out, err }, ...folders) {
  const part = server.values[one.agent].slice(20, 40);
  assert.ok(!out.includes(part) && !err.includes(part), 'the value was shown');
  for (const folder of folders) assert.deepEqual(search(folder, part).holding, []);
}

test('without the secret, the next command is named', async () => {
  for (const { agent, secret } of BOTH) {
    const { code, out, err } = await server.tightlip(['run', '--agent', agent]);
    assert.deepEqual([code, out], [125, '']);
    assert.match(err, new RegExp(`there is no secret ${secret}[^]*tightlip secret set ${secret}`));
  }
});

test('an agent makes its call with the true credential, and says what the model streamed', async () => {
  for (const one of BOTH) {
    const stored = await server.tightlip(['secret', 'set', one.secret], { input: server.values[one.agent] });
    assert.equal(stored.code, 0, stored.err);
    const [home, work] = [server.newFolder('home'), server.newFolder('work')];
    const told = await server.tightlip(['run', '--agent', one.agent, '--home', home, '--', ...one.ask], { cwd: work });
    assert.equal(told.code, 0, told.err);
    assert.match(told.out, new RegExp(WORDS));
    assert.doesNotMatch(told.err, /refused/, 'nothing was asked for that is refused');
    assertAsked(one, takeRequests(one), { times: 1 });
    assert.ok(search(home, 'tightlip').count > 0, 'the home was kept');
    assertNowhere(one, told, home, work);
  }
});

test('an agent in a terminal asks a person for nothing, and makes its call', async () => {
  for (const [one, prompt] of [[CLAUDE, '❯'], [CODEX, '›']]) {
    const told = await server.terminal(['run', '--agent', one.agent], { prompt, say: 'say hi', until: 'lantern hums' });
    assert.equal(told.code, 0, told.out);
    // Codex may ask for more beside what was typed.
    assertAsked(one, takeRequests(one), { timesMin: 1, timesMax: 3 });
    assertNowhere(one, told);
  }
});

test('the model is offered the tools of our own MCP server', async () => {
  for (const one of BOTH) {
    const told = await server.tightlip(['run', '--agent', one.agent, '--', ...one.ask]);
    assert.equal(told.code, 0, told.err);
    const call = takeRequests(one).find((request) => request.path === one.path);
    for (const tool of ['list_secrets', 'request_secret', 'request_status']) assert.ok(call.body.includes(tool), `${one.agent}: no ${tool}`);
  }
});

test('a command that the model asks for is run, and holds the placeholder at most', async () => {
  const asks = [
    [CLAUDE, ['claude', '-p', 'say hi', '--dangerously-skip-permissions']],
    [CODEX, CODEX.ask],
  ];
  for (const [one, ask] of asks) {
    const [home, work] = [server.newFolder('home'), server.newFolder('work')];
    server.standIns[one.agent].command = `printenv > seen.txt; echo [$${one.secret}]`;
    const told = await server.tightlip(['run', '--agent', one.agent, '--home', home, '--', ...ask], { cwd: work });
    server.standIns[one.agent].command = undefined;
    assert.equal(told.code, 0, told.err);
    assert.match(told.out, new RegExp(WORDS));
    const requests = takeRequests(one);
    assertAsked(one, requests, { times: 2 });
    const prefix = server.values[one.agent].slice(0, 8);
    assert.match(requests.at(-1).body, new RegExp(`\\[${prefix}[\\w-]+\\]`), 'the command saw its placeholder');
    assert.match(readFileSync(join(work, 'seen.txt'), 'utf8'), new RegExp(`^${one.secret}=${prefix}`, 'm'));
    assertNowhere(one, told, home, work);
  }
});

test('with --skill and only then, an agent tells its model of the skill', async () => {
  for (const one of BOTH) {
    for (const [options, isTold] of [[[], false], [['--skill'], true]]) {
      const told = await server.tightlip(['run', '--agent', one.agent, ...options, '--', ...one.ask]);
      assert.equal(told.code, 0, told.err);
      const requests = takeRequests(one);
      assertAsked(one, requests, { times: 1 });
      const named = requests.some(({ body }) => body.includes('using-brokered-secrets') && body.includes('How to use API keys, tokens and passwords that you do not hold'));
      assert.equal(named, isTold, `${one.agent} ${options}`);
    }
  }
});

test('a base URL and a model of the user are passed on', async () => {
  const variables = {
    claude: { ANTHROPIC_BASE_URL: 'https://api.anthropic.test', ANTHROPIC_MODEL: 'claude-lantern-1' },
    codex: { OPENAI_BASE_URL: 'https://api.openai.test/v1', OPENAI_PROJECT: 'proj_lantern' },
  };
  for (const one of BOTH) {
    const env = variables[one.agent];
    const [host] = /api\.[a-z.]+test/.exec(JSON.stringify(env));
    const run = () => server.tightlip(['run', '--agent', one.agent, '--', ...one.ask], { env });
    const refused = await run();
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, new RegExp(`refused ${host.replaceAll('.', '\\.')}.*host_not_allowed.*tightlip run --allow ${host}`));
    assert.match(refused.out + refused.err, /host_not_allowed|may not reach this host/);
    assert.deepEqual(takeRequests(one), []);
    assertNowhere(one, refused);

    const bound = await server.tightlip(['bind', one.secret, '--host', host]);
    assert.equal(bound.code, 0, bound.err);
    const told = await run();
    assert.equal(told.code, 0, told.err);
    assert.match(told.out, new RegExp(WORDS));
    const requests = takeRequests(one);
    assertAsked(one, requests, { times: 1 });
    assert.ok(requests.every((request) => request.host === host));
    if (one === CLAUDE) assert.match(requests.at(-1).body, /"model":"claude-lantern-1"/);
  }
});

test('a host that the secret is not bound to gets nothing of it', async () => {
  const variables = { claude: { ANTHROPIC_BASE_URL: 'https://api.openai.test' }, codex: { OPENAI_BASE_URL: 'https://api.anthropic.test/v1' } };
  for (const one of BOTH) {
    const host = new URL(Object.values(variables[one.agent])[0]).hostname;
    const other = one === CLAUDE ? CODEX : CLAUDE;
    const told = await server.tightlip(['run', '--agent', one.agent, '--allow', host, '--', ...one.ask], { env: variables[one.agent] });
    assert.notEqual(told.code, 0);
    assert.match(told.err, /host_not_bound/);
    assert.ok(takeRequests(other).every((request) => request.carried.length === 0));
    assertNowhere(one, told);
  }
});

test('nothing was written into the user\'s own home', () => {
  for (const name of ['.claude', '.claude.json', '.codex']) assert.ok(!existsSync(join(server.env.HOME, name)), name);
});
