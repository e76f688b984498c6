// The TypeScript SDK, unchanged, over HTTP/2 without TLS: it makes a devbox with secrets and a gateway, runs commands in it, and cleans up.
// The tests share one devbox and run in order.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { after, before, test } from 'node:test';

import { RunloopSDK } from '@runloop/api-client/sdk';

import { startRelay } from './relay.mjs';

const relay = await startRelay(process.env.RUNLOOP_BASE_URL);
const sdk = new RunloopSDK({ baseURL: relay.url, bearerToken: process.env.RUNLOOP_API_KEY });
const value = 'typescript-upstream-credential-value';
const heard = [];
const upstream = https.createServer(
  { key: readFileSync(`${process.env.UPSTREAM_TLS}/key.pem`), cert: readFileSync(`${process.env.UPSTREAM_TLS}/certificate.pem`) },
  (request, response) => {
    heard.push({ url: request.url, authorization: request.headers.authorization });
    response.end(`you sent ${request.headers.authorization}`);
  },
);
let secret;
let gateway;
let devbox;

before(() => new Promise((resolve) => upstream.listen(Number(process.env.UPSTREAM_PORT), '127.0.0.1', resolve)));
after(() => {
  upstream.close();
  upstream.closeAllConnections();
  relay.close();
});

test('a devbox is made with a secret and a gateway', async () => {
  secret = await sdk.secret.create({ name: 'TS_UPSTREAM', value });
  execFileSync('../../../target/debug/tightlip', ['bind', 'TS_UPSTREAM', '--host', 'api.example.test']);
  gateway = await sdk.gatewayConfig.create({ name: 'ts-gateway', endpoint: 'https://api.example.test/base', auth_mechanism: { type: 'bearer' } });
  devbox = await sdk.devbox.create({
    name: 'ts-devbox',
    secrets: { INJECTED: 'TS_UPSTREAM' },
    gateways: { MY_API: { gateway: gateway.id, secret: 'TS_UPSTREAM' } },
    launch_parameters: { keep_alive_time_seconds: 120 },
    metadata: { suite: 'typescript' },
  });
  const info = await devbox.getInfo();
  assert.equal(info.status, 'running');
  assert.equal(info.gateway_specs.MY_API.gateway_config_id, gateway.id);
  assert.deepEqual(info.metadata, { suite: 'typescript' });
});

test('a command runs, and what it says comes back', async () => {
  const result = await devbox.cmd.exec('echo out; echo err >&2; exit 3');
  assert.equal(result.exitCode, 3);
  assert.equal((await result.stdout()).trim(), 'out');
  assert.equal((await result.stderr()).trim(), 'err');
});

test('output is streamed', async () => {
  const lines = [];
  const result = await devbox.cmd.exec('for n in 1 2 3; do echo $n; sleep 0.2; done', { stdout: (line) => lines.push(line) });
  assert.equal(result.exitCode, 0);
  assert.equal(lines.join('').replaceAll('\n', ''), '123');
});

test('a secret stands there as a token', async () => {
  const result = await devbox.cmd.exec('printf %s "$INJECTED"');
  const token = await result.stdout();
  assert.ok(token.length >= 16 && token !== value);
});

test('a request by base URL carries the value, and the echo does not come back', async () => {
  const result = await devbox.cmd.exec('curl -sS -H "Authorization: Bearer $MY_API" "$MY_API_URL/v1/hello?x=1"');
  const said = await result.stdout();
  assert.deepEqual(heard, [{ url: '/base/v1/hello?x=1', authorization: `Bearer ${value}` }]);
  assert.ok(said.startsWith('you sent Bearer ') && !said.includes(value), said);
});

test('without its token a gateway sends nothing', async () => {
  const result = await devbox.cmd.exec('curl -sS -o /dev/null -w "%{http_code}" "$MY_API_URL/v1/hello"');
  assert.equal(await result.stdout(), '401');
  assert.equal(heard.length, 1);
});

test('everything is cleaned up', async () => {
  await devbox.shutdown();
  assert.equal((await devbox.getInfo()).status, 'shutdown');
  await gateway.delete();
  await secret.delete();
  assert.equal(relay.connections, relay.http2);
});
