// A person's browser: Chromium with a profile of its own, and a memory of every answer that it got.
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { walk } from './server.mjs';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** A browser with an empty profile below `folder`. */
export async function openBrowser(folder, { javaScriptEnabled = true } = {}) {
  const profile = mkdtempSync(join(folder, 'profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS, javaScriptEnabled, viewport: { width: 1280, height: 900 },
    // The certificate is of a moment ago, and of nobody that a browser knows.
    ignoreHTTPSErrors: true,
  });
  const browser = new Browser(context, profile);
  context.on('response', (response) => browser.seen.push(browser.note(response)));
  return browser;
}

class Browser {
  constructor(context, profile) {
    Object.assign(this, { context, profile, seen: [], wrong: [] });
    context.on('page', (page) => this.attend(page));
    context.pages().forEach((page) => this.attend(page));
  }

  attend(page) {
    page.on('pageerror', (error) => this.wrong.push(String(error)));
    page.on('console', (line) => this.wrong.push(line.text()));
  }

  async note(response) {
    const body = await response.body().catch(() => Buffer.alloc(0));
    const request = response.request();
    const headers = await response.allHeaders().catch(() => ({}));
    return { url: response.url(), status: response.status(), sent: await request.allHeaders().catch(() => ({})), head: JSON.stringify(headers), body };
  }

  async page() {
    return this.context.newPage();
  }

  /** Everything that the server said to it. */
  answers() {
    return Promise.all(this.seen);
  }

  /** Closes it; what it left in its profile is given back. */
  async close() {
    await this.context.close();
    return walk(this.profile).map((path) => [path, readFileSync(path)]);
  }
}

/** What a person does: fills in the form as it stands, and sends it. */
export async function fillIn(page, value, proof) {
  await page.getByLabel(/^Value of/).fill(value);
  await page.getByLabel(/^Code, or/).fill(proof);
  await page.getByRole('button', { name: 'Store the value' }).click();
  await page.waitForLoadState();
}

/** What a page shows, in words: the DOM as it is now, and its text. */
export async function shown(page) {
  return `${await page.content()}\n${await page.locator('body').innerText()}`;
}
