// The TypeScript SDK, unchanged, with the transport that it chooses itself: HTTP/2, by prior knowledge on http://, by ALPN on https://.
// The tests share one server and run in order.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import Runloop, { AuthenticationError, BadRequestError, NotFoundError } from '@runloop/api-client';
import { RunloopSDK } from '@runloop/api-client/sdk';

import { startRelay } from './relay.mjs';

const server = process.env.RUNLOOP_BASE_URL;
const bearerToken = process.env.RUNLOOP_API_KEY;
const relay = await startRelay(server);
const client = new Runloop({ baseURL: relay.url, bearerToken });
after(() => relay.close());

/** Requests that the server has answered, by method, route and status. */
async function answered(method, route, status) {
  const figures = await (await fetch(`${server}/metrics`, { headers: { authorization: `Bearer ${bearerToken}` } })).text();
  const line = figures.split('\n').find((text) => text.startsWith('tightlip_http_requests_total{')
    && text.includes(`method="${method}"`) && text.includes(`route="${route}"`) && text.includes(`status="${status}"`));
  return line ? Number(line.split(' ').at(-1)) : 0;
}

/** What `work` throws, and that the server answered it once: nothing was tried again. */
async function thrownOnce(method, route, status, work) {
  const before = await answered(method, route, status);
  const began = Date.now();
  let thrown;
  await assert.rejects(work, (error) => { thrown = error; return true; });
  assert.equal(await answered(method, route, status) - before, 1, 'it was asked once');
  assert.ok(Date.now() - began < 2000, 'no retry was waited for');
  assert.equal(thrown.status, status);
  assert.deepEqual(Object.keys(thrown.error).sort(), ['code', 'message']);
  return thrown;
}

/** What a secret is shown as: these four fields, never a value. */
function assertView(view, name) {
  assert.deepEqual(Object.keys(view).sort(), ['create_time_ms', 'id', 'name', 'update_time_ms']);
  assert.match(view.id, /^sec_[0-9A-Za-z]{21}$/);
  assert.equal(view.name, name);
  assert.ok(Number.isInteger(view.create_time_ms) && view.update_time_ms >= view.create_time_ms);
}

test('a wrong key is 401, at once', async () => {
  const stranger = new Runloop({ baseURL: relay.url, bearerToken: `tlk_${'0'.repeat(43)}` });
  const thrown = await thrownOnce('GET', '/v1/secrets', 401, () => stranger.secrets.list());
  assert.ok(thrown instanceof AuthenticationError);
});

test('an unknown secret is 404 for each verb, at once', async () => {
  const refused = [
    await thrownOnce('GET', '/v1/secrets/{name}', 404, () => client.secrets.retrieve('NONE')),
    await thrownOnce('POST', '/v1/secrets/{name}', 404, () => client.secrets.update('NONE', { value: 'x' })),
    await thrownOnce('POST', '/v1/secrets/{name}/delete', 404, () => client.secrets.delete('NONE')),
  ];
  assert.ok(refused.every((error) => error instanceof NotFoundError));
});

test('a secret is created, shown, updated and deleted', async () => {
  const created = await client.secrets.create({ name: 'TS_ONE', value: 'one' });
  assertView(created, 'TS_ONE');
  assert.deepEqual(await client.secrets.retrieve('TS_ONE'), created);
  const updated = await client.secrets.update('TS_ONE', { value: 'two' });
  assertView(updated, 'TS_ONE');
  assert.equal(updated.id, created.id);
  assert.ok((await client.secrets.list()).secrets.some((view) => view.id === created.id));
  assertView(await client.secrets.delete('TS_ONE'), 'TS_ONE');
  await thrownOnce('GET', '/v1/secrets/{name}', 404, () => client.secrets.retrieve('TS_ONE'));
  const again = await client.secrets.create({ name: 'TS_ONE', value: 'three' });
  assert.notEqual(again.id, created.id);
  assertView(await client.secrets.delete('TS_ONE', {}), 'TS_ONE');
});

test('a duplicate is 400, at once', async () => {
  await client.secrets.create({ name: 'TS_TWICE', value: 'one' });
  const thrown = await thrownOnce('POST', '/v1/secrets', 400, () => client.secrets.create({ name: 'TS_TWICE', value: 'planted-value' }));
  assert.ok(thrown instanceof BadRequestError);
  assert.equal(thrown.error.code, 'duplicate');
  assert.ok(!JSON.stringify(thrown.error).includes('planted-value'));
  await client.secrets.delete('TS_TWICE');
});

test('the object-oriented client does the same', async () => {
  const sdk = new RunloopSDK({ baseURL: relay.url, bearerToken });
  const secret = await sdk.secret.create({ name: 'TS-with-hyphens', value: 'one' });
  assertView(await secret.getInfo(), 'TS-with-hyphens');
  await secret.update({ value: 'two' });
  assert.ok((await sdk.secret.list()).length > 0);
  assertView(await sdk.secret.fromName('TS-with-hyphens').delete(), 'TS-with-hyphens');
});

test('fifty at a time are answered over a few connections', async () => {
  const before = { connections: relay.connections, created: await answered('POST', '/v1/secrets', 200) };
  const names = Array.from({ length: 50 }, (_, number) => `TS_MANY_${number}`);
  const created = await Promise.all(names.map((name) => client.secrets.create({ name, value: name })));
  assert.equal(new Set(created.map((view) => view.id)).size, 50);
  assert.equal(await answered('POST', '/v1/secrets', 200) - before.created, 50, 'each was sent once');
  const shown = await Promise.all(names.map((name) => client.secrets.retrieve(name)));
  assert.deepEqual(shown, created);
  assert.ok(relay.connections - before.connections <= 20, `${relay.connections - before.connections} connections for fifty requests`);
});

test('pages follow one another, newest first, and end', async () => {
  const all = (await client.secrets.list({ limit: 5000 })).secrets;
  assert.equal(all.length, 50);
  assert.deepEqual(all.map((view) => view.id), all.map((view) => view.id).sort().reverse());
  const paged = [];
  for (let page = await client.secrets.list(); ; ) {
    paged.push(...page.secrets);
    assert.equal(page.total_count, 50);
    assert.ok(page.secrets.length <= 20 && paged.length <= 50);
    if (!page.has_more) break;
    // The SDK has no parameter for it; the command line's clients send it.
    page = await client.get('/v1/secrets', { query: { starting_after: page.secrets.at(-1).id } });
  }
  assert.deepEqual(paged, all);
  await Promise.all(all.map((view) => client.secrets.delete(view.name)));
  assert.deepEqual((await client.secrets.list()).secrets, []);
});

test('all of it took few connections, each HTTP/2', async () => {
  console.log(`connections: ${relay.connections}`);
  assert.ok(relay.connections >= 1 && relay.connections <= 40, `${relay.connections} connections`);
  // What is within TLS the relay cannot see; there both sides agreed on it.
  if (!relay.secure) assert.equal(relay.http2, relay.connections);
});
