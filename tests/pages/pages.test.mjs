// The entry page in a real browser, from an agent's question to its next request.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { fillIn, openBrowser, shown } from './browser.mjs';
import { startServer } from './server.mjs';

const letters = (count) => randomBytes(2 * count).toString('base64').replace(/[^A-Za-z0-9]/g, '').slice(0, count);
/** By its place in this list the upstream says which value it heard. The second is of a kind that goes to api.github.com by itself. */
const VALUES = [letters(40), `ghp_${letters(36)}`, letters(40)];
/** What was shown to anybody, with a name for each. */
const told = [];
const codes = [];
const browsers = [];
const agents = [];
let server;

before(async () => {
  server = await startServer(VALUES);
});
after(async () => {
  await Promise.allSettled(browsers.map((browser) => browser.context.close()));
  await server?.stop().catch(() => {});
  server?.remove();
});

async function browse(options) {
  const browser = await openBrowser(server.folder, options);
  browsers.push(browser);
  return browser;
}

async function agent(...args) {
  const asked = await server.agent(...args);
  agents.push(asked);
  return asked;
}

/** The code that the command line shows for a name. */
function codeFor(name) {
  const text = server.tightlip('--json', 'requests');
  told.push(['tightlip requests', text]);
  const find = (value) => {
    if (!value || typeof value !== 'object') return undefined;
    if (typeof value.code === 'string' && JSON.stringify(value).includes(`"${name}"`)) return value.code;
    return Object.values(value).map(find).find(Boolean);
  };
  const code = text.trim().split('\n').map((line) => find(JSON.parse(line))).find(Boolean);
  assert.ok(code, text);
  codes.push(code);
  return code;
}

async function see(page, name) {
  const text = await shown(page);
  told.push([name, text]);
  return text;
}

/** Opens a link as a click in another site's page does: a chat, say. */
async function clickElsewhere(page, link) {
  const site = createServer((_, response) => response.end(`<a href="${link}">open</a>`));
  await new Promise((done) => site.listen(0, 'localhost', done));
  await page.goto(`http://localhost:${site.address().port}/`);
  await page.getByRole('link').click();
  await page.waitForURL('**/ui/entry');
  site.closeAllConnections();
  site.close();
}

test('a value that is entered with the code goes where the agent asked, and the agent goes on', async () => {
  const asked = await agent('DEPLOY_TOKEN', 'api.example.com', 'uploads.example.com');
  const browser = await browse();
  const page = await browser.page();
  await clickElsewhere(page, asked.link);
  const form = await see(page, 'the form');
  for (const words of ['DEPLOY_TOKEN', 'api.example.com', 'uploads.example.com', 'To publish the preview that you asked for.', 'dbx_']) assert.ok(form.includes(words), words);

  await fillIn(page, VALUES[0], 'WRONG-CODE');
  const wrong = await see(page, 'the form with what was wrong');
  assert.match(wrong, /Not stored/);
  assert.equal(await page.getByLabel(/^Value of/).inputValue(), '', 'what was entered is not there again');
  await fillIn(page, VALUES[0], codeFor('DEPLOY_TOKEN'));
  const stored = await see(page, 'what was stored');
  assert.match(stored, /is stored/);
  assert.ok(!stored.includes('may not go yet'), stored);
  assert.equal(await asked.ended, 0, asked.transcript());
  assert.deepEqual(asked.uses().map(({ used, status, heard }) => [used, status, JSON.parse(heard).known]), [['api.example.com', 200, 0], ['uploads.example.com', 200, 0]]);

  await page.goto(`${server.url}/ui/entry`);
  assert.doesNotMatch(await see(page, 'the form afterwards'), /<form/);
  assert.deepEqual(browser.wrong.filter((line) => !/status of 4\d\d/.test(line)), [], 'the page keeps its own rules');
});

test('without scripts, a value that is entered with a key goes where such values go, and the rest waits', async () => {
  const asked = await agent('GITHUB_TOKEN', 'api.github.com', 'uploads.example.com');
  const browser = await browse({ javaScriptEnabled: false });
  const page = await browser.page();
  await page.goto(asked.link);
  await page.waitForURL('**/ui/entry');
  await see(page, 'the form without scripts');
  await fillIn(page, VALUES[1], server.key());
  const stored = await see(page, 'what was stored without scripts');
  assert.match(stored, /Where it may not go yet[\s\S]*uploads\.example\.com/);
  assert.equal(await asked.ended, 0, asked.transcript());
  const [github, uploads] = asked.uses();
  assert.deepEqual([github.status, JSON.parse(github.heard).known], [200, 1], asked.transcript());
  assert.ok(uploads.status >= 400 && uploads.refusal, asked.transcript());
});

test('a link opens once, for one browser, and no other page opens it, frames it or sends its form', async () => {
  const asked = await agent('OTHER_TOKEN', 'api.example.com');
  const [browser, another] = [await browse(), await browse()];
  const page = await browser.page();
  let link = asked.link;
  const site = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    const target = `${server.url}/ui/entry`;
    const form = `<form method="post" action="${target}"><input name="value" value="x"><input name="proof" value="x"><input name="digest" value="x"><button>send</button></form>`;
    response.end(request.url === '/form' ? form : `<iframe src="${link}"></iframe><img src="${link}"><link rel="prefetch" href="${link}">`);
  });
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  const elsewhere = `http://127.0.0.1:${site.address().port}`;

  await page.goto(`${elsewhere}/`, { waitUntil: 'networkidle' });
  await page.goto(link);
  await page.waitForURL('**/ui/entry');
  const form = await see(page, 'the form that was not opened ahead');
  assert.match(form, /OTHER_TOKEN/);
  await page.goto(`${elsewhere}/form`);
  await page.getByRole('button').click();
  await page.waitForURL('**/ui/entry');
  assert.match(await see(page, 'a form from elsewhere'), /did not come from this server/);

  const stranger = await another.page();
  await stranger.goto(link);
  assert.match(await see(stranger, 'a link that was opened before'), /does not work/);
  await stranger.goto(`${server.url}/ui/entry`);
  const nothing = await see(stranger, 'the form in another browser');
  assert.ok(!nothing.includes('OTHER_TOKEN') && !nothing.includes('<form'), nothing);
  await page.goto(link);
  assert.match(await see(page, 'the link again in the same browser'), /does not work/);
  // What was opened stays open meanwhile.
  await page.goto(`${server.url}/ui/entry`);
  assert.match(await see(page, 'the form again'), /<form/);
  site.closeAllConnections();
  site.close();
});

test('over TLS the session is for TLS alone, and the form is taken', async () => {
  const asked = await agent('SECURE_TOKEN', 'api.example.com');
  const browser = await browse({ javaScriptEnabled: false });
  const page = await browser.page();
  await page.goto(`${server.secureUrl}${new URL(asked.link).pathname}`);
  await page.waitForURL('**/ui/entry');
  const [cookie, ...more] = await browser.context.cookies(`${server.secureUrl}/ui/entry`);
  assert.deepEqual(more, []);
  const { name, path, httpOnly, secure, sameSite } = cookie;
  assert.deepEqual({ name, path, httpOnly, secure, sameSite }, { name: '__Secure-tightlip-entry', path: '/ui/entry', httpOnly: true, secure: true, sameSite: 'Strict' });
  assert.ok(cookie.expires - Date.now() / 1000 <= 900);
  await fillIn(page, VALUES[2], codeFor('SECURE_TOKEN'));
  assert.match(await see(page, 'what was stored over TLS'), /is stored/);
  assert.deepEqual(await browser.context.cookies(`${server.secureUrl}/ui/entry`), []);
  assert.equal(await asked.ended, 0, asked.transcript());
  assert.deepEqual(asked.uses().map(({ status, heard }) => [status, JSON.parse(heard).known]), [[200, 2]]);
});

test('what an agent changes between look and entry is not what a value is stored for', async () => {
  const asked = await agent('SWAPPED_TOKEN', 'api.example.com');
  const browser = await browse();
  const page = await browser.page();
  await page.goto(asked.link);
  await page.waitForURL('**/ui/entry');
  const code = codeFor('SWAPPED_TOKEN');
  asked.askForOthers();
  assert.equal(await asked.ended, 0, asked.transcript());
  await fillIn(page, VALUES[2], code);
  const late = await see(page, 'a request that another took the place of');
  assert.ok(!late.includes('is stored') && !late.includes('<form'), late);

  const other = asked.lines.map((line) => JSON.parse(line).other).find(Boolean);
  await page.goto(other);
  await page.waitForURL('**/ui/entry');
  assert.match(await see(page, 'the other request'), /uploads\.example\.com/);
  await fillIn(page, VALUES[2], code);
  const wrong = await see(page, 'the other request with the code of the first');
  assert.match(wrong, /Not stored/);
  assert.ok(!server.tightlip('secret', 'list').includes('SWAPPED_TOKEN'));
});

test('wide or narrow, light or dark, with the keyboard alone: what was typed is masked, and nothing runs off the page', async () => {
  const asked = await agent('NARROW_TOKEN', 'api.example.com');
  const browser = await browse();
  const page = await browser.page();
  await page.goto(asked.link);
  await page.waitForURL('**/ui/entry');
  for (const [width, colorScheme] of [[360, 'light'], [360, 'dark'], [1280, 'light'], [1280, 'dark']]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    const { over, ratio } = await page.evaluate(() => {
      const numbers = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
      const light = (colour) => {
        const [r, g, b] = numbers(colour).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const against = (text, ground) => {
        const [one, other] = [light(text), light(ground)];
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      };
      const style = (selector) => getComputedStyle(document.querySelector(selector));
      const card = style('main').backgroundColor;
      const ratios = ['h1', '.lead', 'dt', '.help', '.host'].map((selector) => against(style(selector).color, card));
      return { over: document.documentElement.scrollWidth - window.innerWidth, ratio: Math.min(...ratios, against(style('button').color, style('button').backgroundColor)) };
    });
    assert.ok(over <= 0, `${width}: ${over}`);
    assert.ok(ratio >= 4.5, `${width} ${colorScheme}: ${ratio}`);
  }
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  const order = [];
  for (let step = 0; step < 4; step += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused());
  }
  assert.deepEqual(order, ['value', 'plain', 'proof', 'Store the value']);
  const masked = () => page.evaluate(() => getComputedStyle(document.querySelector('textarea')).webkitTextSecurity);
  assert.equal(await masked(), 'disc');
  await page.getByLabel('Show what I enter').check();
  assert.equal(await masked(), 'none');
  await page.getByLabel('Show what I enter').uncheck();
  await page.getByLabel(/^Value of/).fill(`two\nlines ${VALUES[2]}`);
  await page.getByLabel(/^Code, or/).fill('WRONG-CODE');
  await page.getByLabel(/^Code, or/).press('Enter');
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel(/^Value of/).getAttribute('aria-describedby'), 'value-help wrong');
});

test('no transcript, page, answer, log, event, file or profile holds a value', async () => {
  const answers = (await Promise.all(browsers.map((browser) => browser.answers()))).flat();
  assert.ok(answers.some(({ status, url }) => status === 200 && url.endsWith('/ui/entry')));
  const places = [...told, ...agents.map((one, at) => [`transcript ${at}`, one.transcript()])];
  places.push(...answers.map(({ url, head, body }) => [`answer of ${url}`, `${head}\n${body.toString('latin1')}`]));
  for (const args of [['--json', 'events'], ['events'], ['requests'], ['secret', 'list'], ['bindings']]) places.push([args.join(' '), server.tightlip(...args)]);
  for (const browser of browsers) {
    for (const [path, bytes] of await browser.close()) places.push([path, bytes.toString('latin1')]);
  }
  await server.stop();
  const files = server.files().map(([path, bytes]) => [path, bytes.toString('latin1')]);
  assert.ok(files.some(([path]) => path.endsWith('gateway.db')) && files.find(([path]) => path.endsWith('/log'))[1].length > 1000);
  // Nor does the server keep what opens a page, or proves anything there, in a readable form.
  const sessions = answers.flatMap(({ sent }) => [...(sent.cookie ?? '').matchAll(/tightlip-entry=(\w+)/g)].map(([, session]) => session));
  assert.ok(sessions.length > 5 && codes.length > 2);
  for (const credential of [...agents.map(({ link }) => link.split('/').at(-1)), ...codes, ...sessions]) {
    assert.deepEqual(files.filter(([, text]) => text.includes(credential)).map(([path]) => path), [], 'a credential of the page is there');
  }
  places.push(...files);
  const holding = (forms) => places.filter(([, text]) => forms.some((form) => text.includes(form))).map(([name]) => name);
  for (const told of ['transcript 0', 'the form', 'what was stored', `answer of ${server.url}/ui/entry`]) assert.ok(holding(['DEPLOY_TOKEN']).includes(told), 'what is there is found');
  for (const value of VALUES) {
    const forms = [value, encodeURIComponent(value), Buffer.from(value).toString('base64').slice(0, -4), Buffer.from(value).toString('hex'), [...value].join('\0')];
    assert.deepEqual(holding(forms), [], 'the value is there');
  }
});
