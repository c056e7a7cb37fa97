/** The box is started again, and forgets everything, as its owner orders on one page while another one is open. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, PASSWORD, enter, inspect, open, watch, type Stage } from './stage.ts';

let stage: Stage;
let context: BrowserContext;
let page: Page;
let other: Page;
const faults: string[] = [];

describe.skipIf(!process.env.SEMOIR)('a box that something starts again', { concurrent: false }, () => {
  beforeAll(async () => {
    stage = await open([], true);
    context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB', reducedMotion: 'reduce' });
    watch(context, faults);
    page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await enter(page, stage);
    other = await context.newPage();
    other.setDefaultTimeout(60_000);
    await other.goto(`${stage.base}/#/upload`);
    await other.getByRole('heading', { level: 1, name: 'Upload' }).waitFor();
  });

  afterAll(async () => {
    await stage.close();
  });

  it('restarts, and both pages are where they were', async () => {
    await page.goto(`${stage.base}/#/box`);
    const state = page.locator('section', { has: page.getByRole('heading', { name: 'State' }) });
    const uptime = (): Promise<number> =>
      page.evaluate(async () => {
        const answer = await fetch('/api/v1/box/state');
        return ((await answer.json()) as { uptime: number }).uptime;
      });
    // Long enough that its age tells whether it is another run.
    await expect.poll(uptime, { timeout: 20_000 }).toBeGreaterThan(3);
    await state.getByRole('button', { name: 'Restart…' }).click();
    const ordered = Date.now();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    // It is said on the page that ordered it, and goes by itself when the box is back.
    await state.getByText('The box is restarting.').waitFor();
    await state.getByRole('button', { name: 'Restart…' }).waitFor();
    await expect.poll(() => state.getByText('The box is restarting.').count()).toBe(0);
    for (const one of [page, other]) await expect.poll(() => one.getByText('Trying again…').count()).toBe(0);
    expect(await uptime()).toBeLessThan((Date.now() - ordered) / 1000 + 1);
    // Nobody was signed out, and the other page goes on without being loaded again.
    await other.getByRole('heading', { level: 1, name: 'Upload' }).waitFor();
    const [chooser] = await Promise.all([
      other.waitForEvent('filechooser'),
      other.getByRole('button', { name: 'Choose files' }).click(),
    ]);
    await chooser.setFiles({ name: 'after.txt', mimeType: 'text/plain', buffer: Buffer.from('after') });
    await other.locator('[data-upload=done]').waitFor();
  });

  it('forgets everything, and both pages begin anew', async () => {
    const was = stage.newestCode();
    await page.getByRole('button', { name: 'Forget everything…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('stays, and is found again').check();
    const label = await dialog.getByText('Type the name of the box:').innerText();
    await dialog.getByRole('textbox').fill(label.replace('Type the name of the box: ', ''));
    await page.keyboard.press('Enter');
    for (const one of [page, other])
      await one.getByRole('heading', { level: 1, name: 'Make this box yours' }).waitFor();
    await inspect(other, 'claim-anew');
    await expect.poll(() => stage.newestCode()).not.toBe(was);
    // The old code is wrong now, and the new one is right.
    const code = page.getByLabel('Setup code');
    await code.fill(was);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await code.fill(stage.newestCode());
    await page.keyboard.press('Enter');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByText('after.txt').waitFor();
  });

  it('never threw and never broke its policy', () => {
    expect(faults).toEqual([]);
  });
});
