import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { DESK, enter, open, watch, type Stage } from './stage.ts';

/** What runs in any page that takes a name for more than a name. */
const EVIL = `<img src=x onerror="window.evil=1"><script>window.evil=1<\u2215script>'"&{{1}}`;
const FILE = `<svg onload="window.evil=1">.txt`;

let stage: Stage;
let context: BrowserContext;
let page: Page;
let place: string;
const faults: string[] = [];

beforeAll(async () => {
  stage = await open();
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB' });
  watch(context, faults);
  context.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  place = mkdtempSync(join(tmpdir(), 'semoir-hostile-'));
  mkdirSync(join(place, EVIL));
  writeFileSync(join(place, EVIL, FILE), 'x'.repeat(40_000));
});

afterAll(async () => {
  await stage.close();
  rmSync(place, { recursive: true, force: true });
});

/** The view has the name as it is written, and nothing of it ran or became an element. */
async function expectTame(where: string, on = page): Promise<void> {
  expect(await on.evaluate(() => 'evil' in window), where).toBe(false);
  expect(await on.locator('img[src=x], svg[onload]').count(), where).toBe(0);
}

it('shows a hostile name as it is written, on every view', async () => {
  await enter(page, stage);
  await page.getByRole('link', { name: 'Upload', exact: true }).click();
  const [chooser] = await Promise.all([
    page.waitForEvent('filechooser'),
    page.getByRole('button', { name: 'Choose a folder' }).click(),
  ]);
  await chooser.setFiles(join(place, EVIL));
  await page.locator('[data-upload=done]').waitFor();
  await page.getByText(EVIL).first().waitFor();
  await expectTame('upload');

  await page.getByRole('link', { name: 'Shared' }).click();
  const card = page.locator('article[data-release]').filter({ hasText: EVIL });
  await card.waitFor();
  await expect
    .poll(() => card.locator('[data-stage]').getAttribute('data-stage'), { timeout: 60_000 })
    .toMatch(/^(spreading|supporting)$/);
  await expectTame('home');
  await card.getByRole('button', { name: 'Remove…' }).click();
  await page.getByRole('dialog').getByText(EVIL).waitFor();
  await expectTame('remove');
  await page.keyboard.press('Escape');
  await card.getByRole('link', { name: EVIL }).click();
  await page.getByRole('heading', { level: 1 }).filter({ hasText: EVIL }).waitFor();
  await page.getByText(FILE).first().waitFor();
  await expectTame('release');
  const link = await page.getByLabel('Page for visitors').inputValue();

  for (const view of ['settings', 'account', 'box']) {
    await page.goto(`${stage.base}/#/${view}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page
      .getByRole('heading', { level: 2 })
      .or(page.getByRole('button', { name: 'Save' }))
      .first()
      .waitFor();
    await expectTame(view);
  }
  // The mock box has no page for visitors.
  if (stage.mock) return;
  for (const address of [link, new URL('/', link).href]) {
    const visitor = await context.newPage();
    await visitor.goto(address);
    await visitor.getByText(EVIL).first().waitFor();
    await expectTame(address, visitor);
    await visitor.close();
  }
});

it('runs no script of an address', async () => {
  for (const hash of ['#/<img src=x onerror="window.evil=1">', '#/release/"><svg onload="window.evil=1">']) {
    await page.goto(`${stage.base}/${hash}`);
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
    await expectTame(hash);
  }
});

it('cannot be put into a frame', async () => {
  // Another page on this machine: Chromium lets no page of the web reach here at all.
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<iframe src="${stage.base}/"></iframe>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const outer = await context.newPage();
  try {
    await outer.goto(`http://127.0.0.1:${port}/`, { waitUntil: 'load' });
    const title = outer.frameLocator('iframe').getByRole('heading', { level: 1 });
    // The mock box does not send the header, and shows that the page would be seen here.
    if (stage.mock) await title.waitFor();
    else expect(await title.count()).toBe(0);
  } finally {
    await outer.close();
    server.close();
  }
});

it('never threw and never broke its policy', () => {
  // Chromium logs the frame that it refused, as it should.
  expect(faults.filter((fault) => !fault.includes('frame-ancestors'))).toEqual([]);
});
