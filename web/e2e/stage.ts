/** What the story plays on: a browser, a box, and eyes for faults. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults, RunOptions } from 'axe-core';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { expect } from 'vitest';

import { SETUP_CODE } from '../mock/box.ts';

export const SCREENSHOTS = join(import.meta.dirname, 'screenshots');
export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 860 };
export const PASSWORD = 'sow it and then move on';

/** The box that the story is told against. */
export interface Stage {
  browser: Browser;
  base: string;
  code: string;
  /** Whether it is the box in memory, whose faults can be ordered. */
  mock: boolean;
  close(): Promise<void>;
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Opens the browser, and the mock box when the environment names no real one. */
export async function open(): Promise<Stage> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-quic',
      '--no-first-run',
    ],
  });
  const { BOX_URL, SETUP_CODE: code } = process.env;
  if (BOX_URL) {
    if (!code) throw new Error('BASE_URL is set: SETUP_CODE must be too');
    return { browser, base: BOX_URL.replace(/\/$/, ''), code, mock: false, close: () => browser.close() };
  }
  process.env.MOCK_EMPTY = '1';
  const { preview } = await import('vite');
  const server = await preview({
    root: join(import.meta.dirname, '..'),
    logLevel: 'error',
    preview: { host: '127.0.0.1', port: 0 },
  });
  const address = server.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('the preview has no port');
  return {
    browser,
    base: `http://127.0.0.1:${address.port}`,
    code: SETUP_CODE,
    mock: true,
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

/** What no view may ever do: throw, or break the page's policy. */
export function watch(context: BrowserContext, faults: string[]): void {
  context.on('weberror', (event) => faults.push(String(event.error())));
  context.on('console', (message) => {
    const text = message.text();
    // Chromium itself logs each refused or failed request; those are part of the story.
    if (message.type() === 'error' && !text.startsWith('Failed to load resource')) faults.push(text);
  });
}

/** Zero violations of WCAG A and AA and of axe's best practices. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  await page.evaluate(axeSource);
  const options: RunOptions = { resultTypes: ['violations'] };
  const results = await page.evaluate((given) => {
    const { axe } = window as unknown as {
      axe: { run(root: Document, options: RunOptions): Promise<AxeResults> };
    };
    return axe.run(document, given);
  }, options);
  const found = results.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`,
  );
  expect(found, where).toEqual([]);
}

/** Nothing sticks out at the side. */
export async function expectNoSideways(page: Page, where: string): Promise<void> {
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(over, `${where} is too wide by so many pixels`).toBeLessThanOrEqual(0);
}

/** Looks at a view on a phone and on a desk, light and dark: width, axe, and a picture of each. */
export async function inspect(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries({ phone: PHONE, desk: DESK })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const where = `${name}-${size}-${colorScheme}`;
      await page.screenshot({ path: join(SCREENSHOTS, `${where}.png`), fullPage: true });
      await expectNoSideways(page, where);
      await expectAccessible(page, where);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
}
