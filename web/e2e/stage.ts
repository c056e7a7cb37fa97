/** What the story plays on: a browser, a box, and eyes for faults. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
  /** The setup code that it printed last: a new one at each start without an owner. */
  newestCode: () => string;
  /** Whether it is the box in memory, whose faults can be ordered. */
  mock: boolean;
  close(): Promise<void>;
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** How long a box may take until it says where it listens, in milliseconds: a busy machine is slow. */
const BOOT_MS = 30_000;

/** What starts a box again when it asks for it, as systemd does. */
const SUPERVISE = join(import.meta.dirname, '../../tests/supervise.sh');

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  return address.port;
}

/** Starts a new box of the binary that `SEMOIR` names, on ports and in a folder of its own. Its log is kept with the pictures. */
async function boot(
  binary: string,
  extra: readonly string[],
  supervised: boolean,
): Promise<Omit<Stage, 'browser' | 'mock'>> {
  const data = mkdtempSync(join(tmpdir(), 'semoir-box-'));
  // One that is started again is to be found where it was.
  const admin = supervised ? await freePort() : 0;
  const places = ['--admin', `127.0.0.1:${admin}`, '--public', '127.0.0.1:0', '--peer', '127.0.0.1:0'];
  const run = [binary, 'serve', '--data', data, ...places, ...extra];
  if (supervised) run.unshift(SUPERVISE);
  const [program = binary, ...given] = run;
  const box = spawn(program, given, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SEMOIR_OFFLINE: '1' },
  });
  box.stderr.pipe(createWriteStream(join(SCREENSHOTS, 'box.log'), { flags: 'a' }));
  const close = async (): Promise<void> => {
    if (box.exitCode === null && box.signalCode === null) {
      box.kill();
      await once(box, 'exit');
    }
    rmSync(data, { recursive: true, force: true });
  };
  const said = createInterface({ input: box.stdout });
  const late = setTimeout(() => {
    said.close();
  }, BOOT_MS);
  let base = '';
  let code = '';
  await new Promise<void>((resolve) => {
    said.on('close', resolve);
    // Read on for as long as it runs: nothing must stop it from saying more.
    said.on('line', (line) => {
      base = /^admin (http:\S+?)\/*$/.exec(line)?.[1] ?? base;
      code = /^setup code (\S+)$/.exec(line)?.[1] ?? code;
      // A box that has its owner's password already has no code, and says so by saying the rest.
      if (base && (code || extra.includes('--owner-password-file'))) resolve();
    });
  });
  clearTimeout(late);
  if (base) return { base, code, newestCode: () => code, close };
  await close();
  throw new Error('the box does not say where it listens');
}

/**
 * Opens the browser and a box: a new one of the binary that `SEMOIR` names, with `extra` flags; the running one at
 * `BASE_URL`; or else the one in memory. One that is `supervised` is started again when it asks for it.
 */
export async function open(extra: readonly string[] = [], supervised = false): Promise<Stage> {
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
  const { SEMOIR: binary, BOX_URL, SETUP_CODE: code } = process.env;
  if (binary) {
    const box = await boot(binary, extra, supervised);
    return {
      ...box,
      browser,
      mock: false,
      close: async () => {
        await browser.close();
        await box.close();
      },
    };
  }
  if (BOX_URL) {
    if (!code) throw new Error('BASE_URL is set: SETUP_CODE must be too');
    return {
      browser,
      base: BOX_URL.replace(/\/$/, ''),
      code,
      newestCode: () => code,
      mock: false,
      close: () => browser.close(),
    };
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
    newestCode: () => SETUP_CODE,
    mock: true,
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

/** Goes in, wherever the door is: claims a box that nobody owns, and signs in to any other. */
export async function enter(page: Page, stage: Stage): Promise<void> {
  if (!page.url().startsWith(stage.base)) await page.goto(stage.base);
  const code = page.getByLabel('Setup code');
  const password = page.getByLabel('Password', { exact: true });
  await code.or(password).waitFor();
  if ((await code.count()) > 0) {
    await code.fill(stage.code);
    await page.keyboard.press('Enter');
    await code.waitFor({ state: 'hidden' });
  }
  await password.fill(PASSWORD);
  await page.keyboard.press('Enter');
  // Whoever has just claimed the box is shown what it found first.
  await password.waitFor({ state: 'hidden' });
  await page.goto(`${stage.base}/#/`);
  await page.getByRole('heading', { level: 1, name: 'What this box shares' }).waitFor();
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
      // The reader wants no motion.
      expect(await page.evaluate(() => document.getAnimations().length), `${where} moves`).toBe(0);
      await expectAccessible(page, where);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
}
