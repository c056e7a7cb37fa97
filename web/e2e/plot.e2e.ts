import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { MOST_HEARD } from '../src/live/rates.ts';
import { DESK, PHONE, enter, inspect, open, watch, type Stage } from './stage.ts';

/** Points that the box remembers at most. */
const POINTS = 360;
const DAY = 86_400;

let stage: Stage;
let context: BrowserContext;
let page: Page;
let plot: Locator;
const faults: string[] = [];

/** A box that has been on for a day: it gives as many points as one ever gives. */
async function remembers(context: BrowserContext): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const at = Array.from({ length: POINTS }, (_, place) => now - DAY + Math.round((place * DAY) / POINTS));
  const rate = at.map((_, place) => Math.round(600_000 * (1 + Math.sin(place / 20)) + (place % 7) * 9000));
  const none = at.map(() => 0);
  await context.route('**/api/v1/history', async (route) => {
    await route.fulfill({
      json: { since: now - DAY, at, rate, peers: none, relays: none, copies: none },
    });
  });
}

/** The values that are read at the moment, as they stand below the lines. */
async function reading(): Promise<string> {
  return (await plot.locator('figcaption').textContent()) ?? '';
}

async function points(): Promise<number> {
  return ((await plot.locator('path.line').getAttribute('d')) ?? '').split('L').length;
}

beforeAll(async () => {
  stage = await open();
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB', hasTouch: true });
  watch(context, faults);
  await remembers(context);
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await enter(page, stage);
  await page.getByRole('button', { name: 'Since the start' }).click();
  plot = page.locator('figure').first();
});

afterAll(async () => {
  await stage.close();
});

describe('a plot of a day', { concurrent: false }, () => {
  it('is looked at on a phone and on a desk, in the light and in the dark', async () => {
    await expect.poll(points).toBeGreaterThan(POINTS - 1);
    await inspect(page, 'plot');
    await page.setViewportSize(DESK);
  });

  it('is read with the keyboard, and says so to who does not see it', async () => {
    const slider = plot.getByRole('slider', { name: 'Read the values one by one' });
    await slider.focus();
    const outline = (): Promise<string> =>
      plot.locator('svg').evaluate((svg) => getComputedStyle(svg).outlineStyle);
    await page.keyboard.press('ArrowLeft');
    expect(await outline()).toBe('solid');
    const first = await slider.getAttribute('aria-valuetext');
    expect(first).toMatch(/^.*\d\d:\d\d, Sending now [\d.]+ .?B\/s$/);
    await page.keyboard.press('PageDown');
    const second = await slider.getAttribute('aria-valuetext');
    expect(second).not.toBe(first);
    expect(await plot.locator('.pointer').count()).toBe(1);
    // What comes meanwhile does not move what is read.
    await page.waitForTimeout(2500);
    expect(await slider.getAttribute('aria-valuetext')).toBe(second);
    await page.keyboard.press('Home');
    expect(await slider.inputValue()).toBe('0');
    await page.keyboard.press('End');
    await page.keyboard.press('Tab');
    expect(await plot.locator('.pointer').count()).toBe(0);
  });

  it('is read under a mouse', async () => {
    const at = await plot.locator('svg').boundingBox();
    if (!at) throw new Error('there is no plot');
    await page.mouse.move(at.x + at.width / 3, at.y + at.height / 2);
    await expect.poll(reading).toMatch(/\d\d:\d\d/);
    const third = await reading();
    await page.mouse.move(at.x + (at.width * 2) / 3, at.y + at.height / 2);
    await expect.poll(reading).not.toBe(third);
    await page.mouse.move(2, 2);
    await expect.poll(() => plot.locator('.pointer').count()).toBe(0);
  });

  it('is read under a finger, which may be lifted, and is left by touching elsewhere', async () => {
    await page.setViewportSize(PHONE);
    const svg = plot.locator('svg');
    await svg.scrollIntoViewIfNeeded();
    const at = await svg.boundingBox();
    if (!at) throw new Error('there is no plot');
    await page.touchscreen.tap(at.x + at.width / 2, at.y + at.height / 2);
    await expect.poll(reading).toMatch(/\d\d:\d\d/);
    await page.waitForTimeout(300);
    expect(await plot.locator('.pointer').count()).toBe(1);
    await inspect(page, 'plot-read');
    await page.setViewportSize(PHONE);
    await page.getByRole('heading', { name: 'What leaves the box' }).tap();
    await expect.poll(() => plot.locator('.pointer').count()).toBe(0);
  });

  it('fits whatever the window is made', async () => {
    const svg = plot.locator('svg');
    for (const width of [1280, 700, 360, 900]) {
      await page.setViewportSize({ width, height: 740 });
      const room = async (): Promise<number> => plot.evaluate((figure) => figure.clientWidth);
      await expect.poll(async () => Number(await svg.getAttribute('width')) - (await room())).toBe(0);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(over, `at ${width}`).toBeLessThanOrEqual(0);
    }
  });

  it('draws no more than so many points, however long it runs', async () => {
    expect(await points()).toBeLessThanOrEqual(POINTS + MOST_HEARD);
  });

  it('never threw and never broke its policy', () => {
    expect(faults).toEqual([]);
  });
});
