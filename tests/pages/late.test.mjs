// What a quarter of an hour ends, waited for: a link that nobody opened, and a page that was open.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';

import { fillIn, openBrowser, shown } from './browser.mjs';
import { startServer } from './server.mjs';

const LIFE_MS = 15 * 60 * 1000;
const VALUE = randomBytes(20).toString('hex');
let server;
let browser;

before(async () => {
  server = await startServer([VALUE]);
});
after(async () => {
  await browser?.context.close().catch(() => {});
  await server?.stop().catch(() => {});
  server?.remove();
});

/** Has a program with the owner's key ask for a secret; gives the link. */
async function ask(name) {
  const headers = { authorization: `Bearer ${server.key()}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' };
  const call = { name: 'request_secret', arguments: { name, hosts: ['api.example.com'], reason: 'To publish the preview.' } };
  const response = await fetch(`${server.url}/mcp`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: call }) });
  const answer = await response.json();
  assert.equal(answer.result?.isError ?? false, false, JSON.stringify(answer));
  return answer.result.structuredContent.request;
}

test('a link and a page that are too old store nothing, and a fresh link does', async () => {
  const [opened, unopened] = [await ask('OPENED_TOKEN'), await ask('UNOPENED_TOKEN')];
  browser = await openBrowser(server.folder);
  const page = await browser.page();
  await page.goto(opened.entry_url);
  await page.waitForURL('**/ui/entry');
  assert.match(await shown(page), /OPENED_TOKEN[\s\S]*<form|<form[\s\S]*OPENED_TOKEN/);
  const code = (name) => JSON.parse(server.tightlip('--json', 'requests')).asked.find(({ entry }) => entry.request.id === name).code;
  const early = code(opened.id);
  await wait(LIFE_MS + 2000);

  await fillIn(page, VALUE, early);
  const late = await shown(page);
  assert.ok(!late.includes('is stored') && !late.includes('<form'), late);
  const other = await browser.page();
  await other.goto(unopened.entry_url);
  const old = await shown(other);
  assert.match(old, /does not work/);
  assert.ok(!old.includes('UNOPENED_TOKEN'), old);
  assert.ok(!server.tightlip('secret', 'list').includes('_TOKEN'));

  const again = await ask('UNOPENED_TOKEN');
  assert.equal(again.id, unopened.id, 'it is the same request');
  await other.goto(again.entry_url);
  await other.waitForURL('**/ui/entry');
  await fillIn(other, VALUE, code(again.id));
  assert.match(await shown(other), /is stored/);
});
