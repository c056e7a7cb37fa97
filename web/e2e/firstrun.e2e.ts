import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, PASSWORD, PHONE, inspect, open, watch, type Stage } from './stage.ts';

const NAMES = ['Barley.mkv', 'Oats.mkv'];

let stage: Stage;
let context: BrowserContext;
let page: Page;
let drive: string;
let copying: ReturnType<typeof setInterval>;
const faults: string[] = [];

beforeAll(async () => {
  drive = mkdtempSync(join(tmpdir(), 'semoir-drive-'));
  for (const name of NAMES) writeFileSync(join(drive, name), Buffer.alloc(3 * 1024 * 1024, name));
  // A folder that is given at the start is shared by itself, but not while somebody still copies into it.
  copying = setInterval(() => {
    for (const name of NAMES) utimesSync(join(drive, name), new Date(), new Date());
  }, 1000);
  stage = await open(['--source', drive]);
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB', reducedMotion: 'reduce' });
  watch(context, faults);
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
});

afterAll(async () => {
  clearInterval(copying);
  await stage.close();
  rmSync(drive, { recursive: true, force: true });
});

/** Presses Tab until this has the focus. */
async function tabTo(wanted: Locator): Promise<void> {
  for (let presses = 0; presses < 80; presses += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('no Tab leads there');
}

/** The story is told with the keyboard alone, in order. */
describe.skipIf(process.env.BOX_URL)('the first run', { concurrent: false }, () => {
  it('is four steps, one question each', async () => {
    if (stage.mock) await page.request.post(`${stage.base}/api/v1/mock/furnish`);
    await page.goto(stage.base);
    await page.getByText('Step 1 of 4').waitFor();
    await page.keyboard.type(stage.code);
    await page.keyboard.press('Enter');
    await page.getByText('Step 2 of 4').waitFor();
    const password = page.getByLabel('Password', { exact: true });
    await expect.poll(() => password.evaluate((input) => input === document.activeElement)).toBe(true);
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByText('Step 3 of 4').waitFor();
    if (!stage.mock) for (const name of NAMES) await page.getByText(name).waitFor();
    await inspect(page, 'welcome-found');
    clearInterval(copying);
    await tabTo(page.getByRole('button', { name: /^Share/ }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'It is shared' }).waitFor();
    await inspect(page, 'welcome-shared');
    await tabTo(page.getByLabel('Name of the box'));
    await page.keyboard.type('Granary');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'What this box shares' }).waitFor();
    await page.getByRole('banner').getByText('Granary').waitFor();
    if (!stage.mock) {
      for (const name of NAMES) {
        const card = page.locator('article[data-release]').filter({ hasText: name });
        await expect
          .poll(() => card.locator('[data-stage]').getAttribute('data-stage'), { timeout: 60_000 })
          .toMatch(/^(spreading|supporting)$/);
      }
      await page.getByRole('heading', { name: 'What was decided, and why' }).waitFor();
      await page.getByRole('button', { name: 'Earlier ones' }).click();
      await page.getByText('shared by its owner').first().waitFor();
    }
    await inspect(page, 'home-shared');
  });

  it('has a week that is painted with the keyboard', async () => {
    await page.goto(`${stage.base}/#/settings`);
    await page.getByRole('heading', { level: 2, name: 'Schedule' }).waitFor();
    await tabTo(page.getByRole('radio', { name: 'a rate' }));
    await page.keyboard.press('ArrowDown');
    await tabTo(page.getByRole('gridcell', { name: 'Monday, 00:00–01:00' }));
    for (let hour = 0; hour < 8; hour += 1) await page.keyboard.press('ArrowRight');
    await page.keyboard.down('Shift');
    for (let hour = 0; hour < 9; hour += 1) await page.keyboard.press('ArrowRight');
    for (let day = 0; day < 4; day += 1) await page.keyboard.press('ArrowDown');
    await page.keyboard.up('Shift');
    await page.getByText('Mon–Fri, 08:00–18:00: nothing is sent').waitFor();
    // One hour in it is free.
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Space');
    await page.getByText('Mon–Wed, Fri, 08:00–18:00: nothing is sent').waitFor();
    await page.keyboard.press('Space');
    const part = page.getByRole('form', { name: 'Schedule' });
    await tabTo(part.getByRole('button', { name: 'Save' }));
    await page.keyboard.press('Enter');
    await part.getByText('Saved.').waitFor();
    await page.reload();
    await page.getByText('Mon–Fri, 08:00–18:00: nothing is sent').waitFor();
  });

  it('has a week that is painted with a mouse, and cleared by painting again', async () => {
    await page.setViewportSize(DESK);
    const cell = (name: string) => page.getByRole('gridcell', { name });
    await page.getByLabel('At most', { exact: true }).fill('4');
    const [first, last] = [cell('Saturday, 00:00–01:00'), cell('Sunday, 05:00–06:00')];
    await first.scrollIntoViewIfNeeded();
    await first.hover();
    await page.mouse.down();
    await last.hover();
    await page.mouse.up();
    await page
      .getByText('Sat and Sun, 00:00–06:00: at most 500 kB/s')
      .or(page.getByText('Sat, Sun, 00:00–06:00: at most 500 kB/s'))
      .waitFor();
    await inspect(page, 'schedule');
    await page.setViewportSize(DESK);
    await cell('Saturday, 03:00–04:00').click();
    await page.getByText('Sat, 00:00–03:00: at most 500 kB/s').waitFor();
    await page.getByRole('button', { name: 'Clear the week' }).click();
    await page.getByText('The schedule says nothing.').waitFor();
  });

  it('has a week that is painted with a finger, on a phone', async () => {
    const phone = await stage.browser.newContext({
      viewport: PHONE,
      locale: 'en-GB',
      hasTouch: true,
      isMobile: true,
      storageState: await context.storageState(),
    });
    watch(phone, faults);
    const small = await phone.newPage();
    small.setDefaultTimeout(30_000);
    await small.goto(`${stage.base}/#/settings`);
    const cell = (name: string) => small.getByRole('gridcell', { name });
    const from = cell('Tuesday, 20:00–21:00');
    await from.scrollIntoViewIfNeeded();
    const [start, end] = await Promise.all([from.boundingBox(), cell('Thursday, 22:00–23:00').boundingBox()]);
    if (!start || !end) throw new Error('the week is not on the page');
    expect(Math.min(start.width, start.height)).toBeGreaterThanOrEqual(24);
    const touch = await phone.newCDPSession(small);
    const at = (box: typeof start): { x: number; y: number }[] => [
      { x: box.x + box.width / 2, y: box.y + box.height / 2 },
    ];
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(start) });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(end) });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await small
      .getByText('Tue–Thu, 20:00–23:00: at most 1 MB/s')
      .or(small.getByText(/^Tue–Thu, 20:00–23:00: at most/))
      .first()
      .waitFor();
    await phone.close();
  });

  it('lets the owner say which folders are shared without asking', async () => {
    // The box in memory has several sources.
    const rule = page.getByLabel('Share what is found here without asking').first();
    const was = await rule.isChecked();
    await rule.click();
    await expect.poll(() => rule.isEnabled()).toBe(true);
    expect(await rule.isChecked(), 'it does not spring back').toBe(!was);
    await page.reload();
    await expect.poll(() => rule.isChecked()).toBe(!was);
    if (stage.mock) return;
    // What comes now waits for its owner.
    writeFileSync(join(drive, 'Rye.mkv'), Buffer.alloc(1024, 'rye'));
    writeFileSync(join(drive, 'Spelt.mkv'), Buffer.alloc(1024, 'spelt'));
    await page.goto(`${stage.base}/#/`);
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.getByRole('heading', { name: '2 found, and not shared yet' }).waitFor();
    await inspect(page, 'home-found');
    await page.getByRole('button', { name: /^Share all 2/ }).click();
    await expect.poll(() => page.getByText('not shared yet').count()).toBe(0);
  });

  it('never threw and never broke its policy', () => {
    expect(faults).toEqual([]);
  });
});

describe.skipIf(!process.env.SEMOIR)('a box whose password was set before it was started', () => {
  it('begins with the sign-in, and goes on with what was found', async () => {
    const place = mkdtempSync(join(tmpdir(), 'semoir-given-'));
    const [source, secret] = [join(place, 'media'), join(place, 'password')];
    mkdirSync(source);
    writeFileSync(secret, `${PASSWORD}\n`);
    const touch = (): void => writeFileSync(join(source, 'Millet.mkv'), Buffer.alloc(1024, 'millet'));
    touch();
    const touching = setInterval(touch, 1000);
    const given = await open(['--source', source, '--owner-password-file', secret]);
    try {
      const view = await given.browser.newPage({ locale: 'en-GB' });
      view.setDefaultTimeout(30_000);
      await view.goto(given.base);
      await view.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await view.keyboard.press('Enter');
      await view.getByText('Step 3 of 4').waitFor();
      await view.getByRole('button', { name: /^Share it/ }).click();
      await view.getByRole('heading', { level: 1, name: 'It is shared' }).waitFor();
    } finally {
      clearInterval(touching);
      await given.close();
      rmSync(place, { recursive: true, force: true });
    }
  });
});
