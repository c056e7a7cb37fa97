import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, enter, inspect, open, watch, type Stage } from './stage.ts';

let stage: Stage;
let context: BrowserContext;
let page: Page;
const faults: string[] = [];

beforeAll(async () => {
  stage = await open();
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB' });
  watch(context, faults);
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await enter(page, stage);
});

afterAll(async () => {
  await stage.close();
});

const line = (name: string): Locator => page.locator('li[data-source]').filter({ hasText: name });

/** Drives need hardware; without it, the story is told of the box in memory. */
describe('drives and the board', { concurrent: false }, () => {
  it('are said in every state, also in words of the board', async ({ skip }) => {
    if (!stage.mock) skip();
    await page.request.post(`${stage.base}/api/v1/mock/plug`);
    await line('CINEMA').waitFor();
    expect(await line('CINEMA').innerText()).toContain('64');
    expect(await line('CINEMA').innerText()).toContain('Left out: cannot look at Reel 4: Input/output error');
    expect(await line('CINEMA').innerText()).toContain('; and 2 more');
    expect(await line('Old tapes').innerText()).toContain('it is not plugged in');
    expect(await line('Locked').innerText()).toContain('is encrypted (LUKS)');
    expect(await line('Harvest').innerText()).toContain('was pulled out while something was being written');
    await page.getByText('Its power supply gives too little').waitFor();
    await page.getByText('It is too hot, 86 °C').waitFor();
    await inspect(page, 'sources');
  });

  it('are forgotten with the keyboard, and only when they are away', async ({ skip }) => {
    if (!stage.mock) skip();
    expect(await line('CINEMA').getByRole('button').count()).toBe(0);
    await page.getByRole('button', { name: 'Forget Old tapes' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await inspect(page, 'forget');
    let answer = (): void => undefined;
    const asked = new Promise<void>((resolve) => (answer = resolve));
    await page.route('**/sources/13', async (route) => {
      await asked;
      await route.continue();
    });
    await dialog.getByRole('button', { name: 'Forget' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    // A second one cannot be cancelled by the page.
    await page.keyboard.press('Escape');
    expect(await dialog.isVisible(), 'what is being done is waited for').toBe(true);
    answer();
    await dialog.waitFor({ state: 'hidden' });
    await line('Old tapes').waitFor({ state: 'detached' });
  });

  it('are used although they are built in, when their owner says so', async ({ skip }) => {
    if (!stage.mock) skip();
    expect(await line('Cellar').innerText()).toContain('built into this computer');
    await page.route('**/approval', (route) => route.abort());
    await page.getByRole('button', { name: 'Use Cellar' }).click();
    await line('Cellar').getByRole('alert').waitFor();
    await page.unroute('**/approval');
    await page.getByRole('button', { name: 'Use Cellar' }).click();
    await page.getByRole('button', { name: 'Stop using Cellar' }).click();
    await page.getByRole('button', { name: 'Use Cellar' }).waitFor();
  });

  it('are formatted for uploads when their name is typed and what is on them was said', async ({ skip }) => {
    if (!stage.mock) skip();
    await page.goto(`${stage.base}/#/settings`);
    const place = page.getByLabel('Place');
    await place.waitFor();
    expect(await place.locator('option').allInnerTexts()).toHaveLength(2);
    await page.getByRole('button', { name: 'Format CINEMA for uploads' }).click();
    const dialog = page.getByRole('dialog');
    await inspect(page, 'format');
    const confirm = dialog.getByRole('button', { name: 'Delete everything and format' });
    await dialog.getByLabel('Type its name').fill('cinema');
    await confirm.click();
    await dialog.getByText('That is not “CINEMA”.').waitFor();
    await dialog.getByLabel('Type its name').fill('CINEMA');
    await dialog.getByLabel('New name').fill('Shelf');
    await confirm.click();
    await dialog.getByText('holds 24 files').waitFor();
    expect(await confirm.isDisabled()).toBe(true);
    await inspect(page, 'format-told');
    await dialog.getByLabel('Delete all of that').check();
    await confirm.click();
    await dialog.waitFor({ state: 'hidden' });
    await expect.poll(() => place.inputValue()).toBe('ext4-11');
    await page.reload();
    await expect.poll(() => page.getByLabel('Place').inputValue()).toBe('ext4-11');
    await inspect(page, 'settings-uploads');
  });

  it('breaks nothing', () => {
    expect(faults).toEqual([]);
  });
});
