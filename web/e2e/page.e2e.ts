import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, PASSWORD, SCREENSHOTS, inspect, open, watch, type Stage } from './stage.ts';

const FOLDER = 'Wind in the barley';

let stage: Stage;
let context: BrowserContext;
let page: Page;
let place: string;
const faults: string[] = [];

beforeAll(async () => {
  stage = await open();
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB', acceptDownloads: true });
  watch(context, faults);
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  place = mkdtempSync(join(tmpdir(), 'semoir-page-'));
  mkdirSync(join(place, FOLDER, 'extras'), { recursive: true });
  writeFileSync(join(place, FOLDER, 'film.mkv'), Buffer.alloc(20 * 1024 * 1024, 'seed'));
  writeFileSync(join(place, FOLDER, 'extras', 'notes é.txt'), 'Notes on the film.\n');
  writeFileSync(join(place, FOLDER, 'empty.nfo'), '');
  writeFileSync(join(place, FOLDER, '.DS_Store'), 'junk');
});

afterAll(async () => {
  await stage.close();
  rmSync(place, { recursive: true, force: true });
});

const card = (name: string, on = page): Locator =>
  on.locator('article[data-release]').filter({ hasText: name });
const stageOf = (name: string, on = page): Locator => card(name, on).locator('[data-stage]');
const heading = (name: string | RegExp): Locator => page.getByRole('heading', { level: 1, name });

async function go(hash: string): Promise<void> {
  await page.goto(`${stage.base}/${hash}`);
}

/** The story is told in order: each part stands on the one before. */
describe('the page', { concurrent: false }, () => {
  it('waits for a box that does not answer, and says so', async () => {
    await context.route('**/api/v1/**', (route) => route.abort());
    await go('');
    await page.getByText('The box does not answer yet.').waitFor();
    await inspect(page, 'unreachable');
    // It tries by itself too, and may be quicker than a hand: then there is nothing to press any more.
    await page.getByRole('button', { name: 'Try now' }).focus();
    await context.unroute('**/api/v1/**');
    await page.keyboard.press('Enter');
    await heading('Make this box yours').waitFor();
    expect(await page.getByText('The box does not answer.').count()).toBe(0);
  });

  it('is claimed with the keyboard alone', async () => {
    await go('');
    await heading('Make this box yours').waitFor();
    await inspect(page, 'claim');
    const code = page.getByLabel('Setup code');
    await expect.poll(() => code.evaluate((input) => input === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await page.getByText('The code has eight characters.').waitFor();
    await inspect(page, 'claim-faults');
    await page.keyboard.type('zzzz9999');
    expect(await code.inputValue()).toBe('ZZZZ-9999');
    await page.keyboard.press('Enter');
    // A wrong one is said at once, where it was typed.
    await page.getByRole('alert').waitFor();
    await page.getByText('Step 1 of 4').waitFor();
    expect(await code.getAttribute('aria-describedby')).toContain('code-fault');
    await expect.poll(() => code.evaluate((input) => input === document.activeElement)).toBe(true);
    await inspect(page, 'claim-wrong');
    await page.keyboard.press('Control+A');
    await page.keyboard.type(stage.code.toLowerCase().replace('-', ' '));
    await page.keyboard.press('Enter');
    await heading('Choose a password').waitFor();
    const password = page.getByLabel('Password', { exact: true });
    await expect.poll(() => password.evaluate((input) => input === document.activeElement)).toBe(true);
    await page.keyboard.type('short');
    await page.keyboard.press('Enter');
    await page.getByText('Use at least 8 characters.').waitFor();
    await inspect(page, 'claim-password');
    await page.keyboard.press('Control+A');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await heading('What was found').waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('H1');
    await page.getByText('Nothing yet').waitFor();
    await inspect(page, 'welcome-nothing');
    await page.getByRole('button', { name: 'Later' }).click();
    await heading('Your box is ready').waitFor();
    await inspect(page, 'welcome-optional');
    await page.getByRole('button', { name: 'Not now' }).click();
    await heading('What this box shares').waitFor();
  });

  it('keeps its session from scripts', async () => {
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ name: 'semoir_session', httpOnly: true, sameSite: 'Strict' });
    expect(await page.evaluate(() => document.cookie)).toBe('');
  });

  it('says what to do when nothing is shared', async () => {
    if (stage.mock) await page.getByRole('heading', { name: 'Nothing is shared yet' }).waitFor();
    await inspect(page, 'home-empty');
  });

  it('uploads a folder, though the line is cut and a byte damaged on the way', async () => {
    await page.getByRole('link', { name: 'Upload', exact: true }).click();
    await heading('Upload').waitFor();
    await inspect(page, 'upload');
    let cuts = 2;
    await page.route('**/api/v1/uploads/*/files/*', async (route) => {
      cuts -= 1;
      const bytes = route.request().postDataBuffer();
      if (cuts >= 0) await route.abort('connectionreset');
      else if (cuts === -1 && bytes) {
        bytes[0] = (bytes[0] ?? 0) ^ 1;
        await route.continue({ postData: bytes });
      } else await route.continue();
    });
    const refused = page.waitForResponse(
      (answer) => answer.request().method() === 'PUT' && answer.status() === 409,
    );
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.getByRole('button', { name: 'Choose a folder' }).click(),
    ]);
    await chooser.setFiles(join(place, FOLDER));
    await page.getByText('The connection was lost.').waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, 'upload-lost.png') });
    await page.locator('[data-upload=done]').waitFor();
    expect(cuts).toBeLessThan(0);
    expect(await (await refused).json()).toMatchObject({
      detail: expect.stringContaining('damaged') as string,
      received: 0,
    });
    await page.getByText('1 hidden or system file was left out').waitFor();
    await inspect(page, 'upload-done');
    await page.unroute('**/api/v1/uploads/*/files/*');
  });

  it('says that a name is taken beside the upload', async () => {
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.getByRole('button', { name: 'Choose a folder' }).click(),
    ]);
    await chooser.setFiles(join(place, FOLDER));
    const failed = page.locator('[data-upload=failed]');
    await failed.getByRole('alert').waitFor();
    await failed.getByLabel('Other name').waitFor();
    await inspect(page, 'upload-taken');
    await failed.getByRole('button', { name: 'Clear' }).click();
    expect(await failed.count()).toBe(0);
  });

  it('asks how several dropped files are shared', async () => {
    const dropped = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      for (const name of ['one.txt', 'two.txt']) transfer.items.add(new File([name], name));
      return transfer;
    });
    await page.locator('.zone').dispatchEvent('drop', { dataTransfer: dropped });
    await page.getByLabel('Together, as one release').waitFor();
    await inspect(page, 'upload-several');
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page.getByText('Give it a name.').waitFor();
    await page.getByLabel('Name of the release').fill('Two notes');
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await expect.poll(() => page.locator('[data-upload=done]').count()).toBe(2);
  });

  it('says before it is their turn that those who wait will not fit', async () => {
    const answer = await page.request.get(`${stage.base}/api/v1/overview`);
    const { sources } = (await answer.json()) as { sources: { free: number | null }[] };
    const room = Math.max(...sources.map(({ free }) => free ?? 0));
    expect(room).toBeGreaterThan(0);
    // Each fits, and two of them do not. They take no room here: all of them is a hole.
    const names = ['first.bin', 'second.bin', 'third.bin'];
    for (const name of names) {
      writeFileSync(join(place, name), '');
      truncateSync(join(place, name), Math.floor(room * 0.6));
    }
    // The first one stays at its first byte.
    await page.route('**/api/v1/uploads/*/files/*', () => undefined);
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.getByRole('button', { name: 'Choose files' }).click(),
    ]);
    await chooser.setFiles(names.map((name) => join(place, name)));
    await page.getByLabel('Each as its own release').check();
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'What waits for its turn is' });
    await alert.waitFor();
    await inspect(page, 'upload-tight');
    for (const name of names.toReversed())
      await page.getByRole('button', { name: `Cancel the upload of ${name}` }).click();
    await alert.waitFor({ state: 'hidden' });
    await page.unroute('**/api/v1/uploads/*/files/*');
  });

  it('shows the release as it appears, is hashed and spreads', async () => {
    await page.getByRole('link', { name: 'Shared' }).click();
    await card(FOLDER).waitFor();
    await expect
      .poll(() => stageOf(FOLDER).getAttribute('data-stage'), { timeout: 60_000 })
      .toMatch(/^(spreading|supporting)$/);
    await card(FOLDER).getByRole('button', { name: 'Copy link' }).click();
    await card(FOLDER).getByRole('button', { name: 'Copied' }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      card(FOLDER).getByRole('link', { name: 'Download the .torrent' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/\.torrent$/);
    expect(await download.failure()).toBeNull();
  });

  it('pauses and resumes, and two open pages agree', async () => {
    const other = await context.newPage();
    await other.goto(stage.base);
    await card(FOLDER, other).waitFor();
    await card(FOLDER).getByRole('button', { name: 'Pause' }).click();
    for (const one of [page, other]) {
      await expect.poll(() => stageOf(FOLDER, one).getAttribute('data-stage')).toBe('paused');
    }
    await card(FOLDER, other).getByRole('button', { name: 'Resume' }).click();
    for (const one of [page, other]) {
      await expect.poll(() => stageOf(FOLDER, one).getAttribute('data-stage')).not.toBe('paused');
    }
    await other.close();
  });

  it('says the error of an action next to it', async () => {
    await page.route('**/pause', (route) => route.abort());
    await card(FOLDER).getByRole('button', { name: 'Pause' }).click();
    await card(FOLDER).getByRole('alert').getByText('The box did not answer.').waitFor();
    await page.unroute('**/pause');
  });

  it('shows one release with its links, files and decisions', async () => {
    await card(FOLDER).getByRole('link', { name: FOLDER }).click();
    await heading(FOLDER).waitFor();
    await page.getByText('notes é.txt').waitFor();
    expect(await page.getByLabel('Page for visitors').inputValue()).toMatch(
      /^http:\/\/[^/]+:\d+\/r\/[0-9a-f]{40}$/,
    );
    expect(await page.getByLabel('Magnet link').inputValue()).toMatch(/^magnet:\?xt=urn:btih:.*announce/);
    expect(await page.locator('.log li').count()).toBeGreaterThan(3);
    await page.getByText(/^Of [\d,]+ pieces, connected peers hold [\d,]+/).waitFor();
    await page.getByText('When exactly it retires and comes back').click();
    await page.getByLabel('Relays wanted').fill('99');
    await page.getByLabel('Rest between turns, minutes').fill('soon');
    const wishes = page.getByRole('region', { name: 'Settings of this release' });
    await wishes.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Write a whole number from 1 to 50.').waitFor();
    await page.getByText('Write minutes from 0 to 43,200').waitFor();
    await inspect(page, 'release');
    await page.getByLabel('Relays wanted').fill('2');
    await page.getByLabel('Rest between turns, minutes').fill('1.5');
    await page.getByLabel('Go on when others carry it').selectOption('yes');
    await wishes.getByRole('button', { name: 'Save' }).click();
    await wishes.getByText('Saved.').waitFor();
    await page.reload();
    await expect.poll(() => page.getByLabel('Rest between turns, minutes').inputValue()).toBe('1.5');
    expect(await page.getByLabel('Relays wanted').inputValue()).toBe('2');
  });

  it('keeps settings', async () => {
    await page.getByRole('link', { name: 'Settings' }).click();
    const part = (name: string): Locator => page.getByRole('form', { name });
    const save = async (name: string): Promise<void> => {
      await part(name).getByRole('button', { name: 'Save' }).click();
    };
    await page.getByLabel('Upstream limit').fill('a lot');
    await save('Upstream');
    await page.getByText('Write a number above zero, or leave it empty.').waitFor();
    await page.getByLabel('More trackers').fill('udp://127.0.0.1:6969/announce\nnonsense');
    await save('Trackers');
    await page.getByText('This is no tracker address: nonsense').waitFor();
    await page.getByLabel('Monthly quota, in GB').fill('much');
    await page.getByLabel('Day it begins anew').fill('32');
    await page.getByLabel('Kept for new releases, per cent').fill('91');
    await save('Monthly quota');
    await page.getByText('Write a number of GB from 1 on, or leave it empty.').waitFor();
    await page.getByText('Write a day from 1 to 31.').waitFor();
    await page.getByText('Write a whole number from 0 to 90.').waitFor();
    await inspect(page, 'settings-faults');
    await page.getByLabel('Upstream limit').fill('8');
    await page.getByLabel('More trackers').fill('udp://127.0.0.1:6969/announce');
    await page.getByLabel('Monthly quota, in GB').fill('500');
    await page.getByLabel('Day it begins anew').fill('15');
    await page.getByLabel('Kept for new releases, per cent').fill('20');
    for (const name of ['Upstream', 'Trackers', 'Monthly quota']) {
      await save(name);
      await part(name).getByText('Saved.').waitFor();
    }
    await page.getByLabel('Name of the box').fill('Hay loft');
    await save('Name and address');
    await page.getByRole('banner').getByText('Hay loft').waitFor();
    await page.reload();
    await expect.poll(() => page.getByLabel('Upstream limit').inputValue()).toBe('8');
    expect(await page.getByLabel('More trackers').inputValue()).toBe('udp://127.0.0.1:6969/announce');
    expect(await page.getByLabel('Monthly quota, in GB').inputValue()).toBe('500');
    expect(await page.getByLabel('Day it begins anew').inputValue()).toBe('15');
    await inspect(page, 'settings');
    await page.getByRole('link', { name: 'Shared' }).click();
    await page.getByText(/of 500 GB used \(0 %\); it begins anew 15 /).waitFor();
    await inspect(page, 'quota');
    await page.getByRole('link', { name: 'Settings' }).click();
    await heading('Settings').waitFor();
  });

  it('signs out and in again', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await heading(/^Sign in to/).waitFor();
    await inspect(page, 'sign-in');
    await page.getByLabel('Password', { exact: true }).fill('not this one');
    await page.keyboard.press('Enter');
    await page.getByText('That is not the password.').waitFor();
    await inspect(page, 'sign-in-fault');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await heading('Settings').waitFor();
  });

  it('knows an address that leads nowhere', async () => {
    await go('#/nothing');
    await heading('There is no such page').waitFor();
    await inspect(page, 'missing');
    await go('#/release/999999');
    await heading('This release is not there any more.').waitFor();
  });

  it('removes a release after asking, and says that its files are deleted', async () => {
    await go('#/');
    const remove = card(FOLDER).getByRole('button', { name: 'Remove…' });
    await remove.click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('are deleted from the box').waitFor();
    await inspect(page, 'remove');
    await page.keyboard.press('Escape');
    await expect.poll(() => dialog.count()).toBe(0);
    await expect.poll(() => remove.evaluate((button) => button === document.activeElement)).toBe(true);
    await remove.click();
    await dialog.getByRole('button', { name: 'Remove and delete' }).click();
    await expect.poll(() => card(FOLDER).count()).toBe(0);
  });

  it('shows every stage of a life, and heals a lost connection', async ({ skip }) => {
    if (!stage.mock) skip('only the box in memory can be ordered to do this');
    await page.request.post(`${stage.base}/api/v1/mock/furnish`);
    await card('Orchard atlas').waitFor();
    await inspect(page, 'home');
    await page.request.post(`${stage.base}/api/v1/mock/faults`, { data: { away: true } });
    await page.getByText('The box does not answer. Trying again…').waitFor();
    await inspect(page, 'home-lost');
    await page.request.post(`${stage.base}/api/v1/mock/faults`, { data: { away: false } });
    await expect.poll(() => page.getByText('Trying again…').count(), { timeout: 30_000 }).toBe(0);
    await page.getByRole('searchbox').fill('atlas');
    await expect.poll(() => page.locator('article[data-release]').count()).toBe(1);
  });

  it('never threw and never broke its policy', () => {
    expect(faults).toEqual([]);
  });
});
