import { readFileSync } from 'node:fs';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, PASSWORD, enter, inspect, open, watch, type Stage } from './stage.ts';

const NEW_PASSWORD = 'sow it and then rest';

let stage: Stage;
let context: BrowserContext;
let page: Page;
let phone: BrowserContext;
let other: Page;
const faults: string[] = [];

beforeAll(async () => {
  stage = await open();
  const options = { viewport: DESK, locale: 'en-GB', acceptDownloads: true };
  context = await stage.browser.newContext(options);
  phone = await stage.browser.newContext({
    ...options,
    userAgent: 'Mozilla/5.0 (Linux; Android 15; K) Chrome/150.0.0.0 Mobile Safari/537.36 <b>bold</b>',
  });
  for (const one of [context, phone]) watch(one, faults);
  page = await context.newPage();
  other = await phone.newPage();
  for (const one of [page, other]) one.setDefaultTimeout(30_000);
});

afterAll(async () => {
  await stage.close();
});

const heading = (name: string | RegExp, on = page): Locator => on.getByRole('heading', { level: 1, name });
const part = (name: string, on = page): Locator => on.getByRole('region', { name });
const focused = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element) => element === document.activeElement);

/** What a program is answered. */
async function ask(path: string, token: string): Promise<number> {
  const answer = await fetch(`${stage.base}${path}`, { headers: { authorization: `Bearer ${token}` } });
  await answer.body?.cancel();
  return answer.status;
}

/** The story is told in order: each part stands on the one before. */
describe('account and box', { concurrent: false }, () => {
  it('leads to the account with the keyboard alone', async () => {
    await enter(page, stage);
    const link = page.getByRole('link', { name: 'Account' });
    await link.focus();
    await page.keyboard.press('Enter');
    await heading('Account').waitFor();
    await expect.poll(() => focused(heading('Account'))).toBe(true);
    expect(await link.getAttribute('aria-current')).toBe('page');
  });

  it('says beside the field what is wrong with a password', async () => {
    const form = part('Password');
    const old = form.getByLabel('Password now');
    await form.getByRole('button', { name: 'Change the password' }).click();
    await form.getByText('Type the password you have now.').waitFor();
    await form.getByText('Use at least 8 characters.').waitFor();
    await expect.poll(() => focused(old)).toBe(true);
    await inspect(page, 'account-faults');
    await old.fill('not this one');
    await form.getByLabel('New password').fill(NEW_PASSWORD);
    await page.keyboard.press('Enter');
    await form.getByText('That is not the password.').waitFor();
    await expect.poll(() => focused(old)).toBe(true);
  });

  it('shows another browser as it signs in, and tells it when it is signed out', async () => {
    const list = part('Signed-in browsers');
    await list.getByText('this one').waitFor();
    expect(await list.getByRole('listitem').count()).toBe(1);
    await enter(other, stage);
    const guest = list.getByRole('listitem').filter({ hasText: 'Chrome on Android' });
    await guest.waitFor();
    await inspect(page, 'account');
    await guest.getByRole('button', { name: /^Sign out Chrome on Android/ }).click();
    await expect.poll(() => guest.count()).toBe(0);
    await heading(/^Sign in to/, other).waitFor();
    await other.getByText('You were signed out: the session ended on another page').waitFor();
    await inspect(other, 'signed-out-elsewhere');
    await enter(other, stage);
    await guest.waitFor();
    await list.getByRole('button', { name: 'Sign out all others' }).click();
    const dialog = page.getByRole('dialog');
    await inspect(page, 'account-end-others');
    await dialog.getByRole('button', { name: 'Sign out all others' }).click();
    await heading(/^Sign in to/, other).waitFor();
    await expect.poll(() => dialog.count()).toBe(0);
  });

  it('makes a token, shows it once, and revokes it', async () => {
    const tokens = part('Tokens for programs');
    await tokens.getByRole('button', { name: 'Make a token' }).click();
    await tokens.getByText('Give it a name.').waitFor();
    await tokens.getByLabel('Name').fill('<img src=x onerror=alert(1)>');
    await tokens.getByLabel('It may').selectOption('read');
    await tokens.getByRole('button', { name: 'Make a token' }).click();
    const secret = await tokens.locator('code').innerText();
    expect(secret).toMatch(/^semoir_[0-9a-f]{64}$/);
    await expect.poll(() => focused(tokens.getByRole('group', { name: /^The token/ }))).toBe(true);
    await inspect(page, 'account-token');
    if (!stage.mock) {
      expect(await ask('/api/v1/overview', secret)).toBe(200);
      expect(await ask('/metrics', secret)).toBe(200);
      expect(await ask('/api/v1/account/tokens', secret)).toBe(403);
    }
    await page.reload();
    const row = tokens.getByRole('listitem').filter({ hasText: '<img src=x onerror=alert(1)>' });
    await row.getByText('look at everything').waitFor();
    expect(await page.getByText(secret).count()).toBe(0);
    await row.getByRole('button', { name: /^Revoke/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => focused(row.getByRole('button'))).toBe(true);
    await row.getByRole('button', { name: /^Revoke/ }).click();
    await inspect(page, 'account-revoke');
    await page.route('**/account/tokens/*', (route) => route.abort());
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await dialog.getByRole('alert').getByText('The box did not answer.').waitFor();
    await page.unroute('**/account/tokens/*');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await expect.poll(() => row.count()).toBe(0);
    await expect.poll(() => focused(tokens.getByRole('heading'))).toBe(true);
    if (!stage.mock) expect(await ask('/api/v1/overview', secret)).toBe(401);
  });

  it('changes the password, and the old one is good for nothing', async () => {
    const form = part('Password');
    await form.getByLabel('Password now').fill(PASSWORD);
    await form.getByLabel('New password').fill(NEW_PASSWORD);
    await page.keyboard.press('Enter');
    await form.getByText('Changed.').waitFor();
    await other.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await other.keyboard.press('Enter');
    await other.getByText('That is not the password.').waitFor();
    await other.getByLabel('Password', { exact: true }).fill(NEW_PASSWORD);
    await other.keyboard.press('Enter');
    await heading('What this box shares', other).waitFor();
  });

  it('says in an open form that its settings were changed on another page', async () => {
    const form = (on: Page): Locator => on.getByRole('form', { name: 'When others carry it' });
    const field = (on: Page): Locator => form(on).getByLabel('Relays wanted');
    const save = (on: Page): Promise<void> => form(on).getByRole('button', { name: 'Save' }).click();
    for (const one of [page, other]) {
      await one.getByRole('link', { name: 'Settings' }).click();
      await field(one).waitFor();
    }
    // Nobody typed here: the form follows.
    await field(other).fill('4');
    await save(other);
    await expect.poll(() => field(page).inputValue()).toBe('4');
    // Somebody types here: it is said, and what was typed stays.
    await field(page).fill('7');
    await field(other).fill('5');
    await save(other);
    const said = page.getByText('These settings were changed on another page.').first();
    await said.waitFor();
    expect(await field(page).inputValue()).toBe('7');
    await inspect(page, 'settings-elsewhere');
    await save(page);
    await form(page).getByRole('alert').getByText('changed on another page').waitFor();
    await page.getByRole('button', { name: 'Show the new ones' }).click();
    await expect.poll(() => field(page).inputValue()).toBe('5');
    await field(page).fill('7');
    await field(other).fill('6');
    await save(other);
    await page.getByRole('button', { name: 'Keep what I typed' }).click();
    await save(page);
    await form(page).getByText('Saved.').waitFor();
    await expect.poll(() => field(other).inputValue()).toBe('7');
    // What others change elsewhere in the settings is no matter to this form.
    await field(page).fill('8');
    await other.getByLabel('More trackers').fill('udp://127.0.0.1:6969/announce');
    await other
      .getByRole('form')
      .filter({ hasText: 'More trackers' })
      .getByRole('button', { name: 'Save' })
      .click();
    await expect.poll(() => page.getByLabel('More trackers').inputValue()).toContain('6969');
    expect(await field(page).inputValue()).toBe('8');
    await save(page);
    await form(page).getByText('Saved.').waitFor();
  });

  it('says the same of the settings of one release', async ({ skip }) => {
    if (!stage.mock) skip('nothing is shared in this story');
    await page.request.post(`${stage.base}/api/v1/mock/furnish`);
    const form = (on: Page): Locator => part('Settings of this release', on);
    const field = (on: Page): Locator => form(on).getByLabel('Relays wanted');
    const save = (on: Page): Promise<void> => form(on).getByRole('button', { name: 'Save' }).click();
    const settings = page.url();
    for (const one of [page, other]) {
      await one.goto(`${stage.base}/#/`);
      await one.getByRole('link', { name: 'Orchard atlas' }).click();
      await field(one).waitFor();
    }
    await field(other).fill('4');
    await save(other);
    await expect.poll(() => field(page).inputValue()).toBe('4');
    await field(page).fill('7');
    await field(other).fill('5');
    await save(other);
    await page.getByText('These settings were changed on another page.').waitFor();
    await inspect(page, 'release-elsewhere');
    await save(page);
    await form(page).getByRole('alert').getByText('changed elsewhere').waitFor();
    await page.getByRole('button', { name: 'Keep what I typed' }).click();
    await save(page);
    await form(page).getByText('Saved.').waitFor();
    await expect.poll(() => field(other).inputValue()).toBe('7');
    for (const one of [page, other]) await one.goto(settings);
  });

  it('shows how the box is, and its log', async () => {
    await page.getByRole('link', { name: 'Box', exact: true }).click();
    await heading('This box').waitFor();
    await part('State').getByText('Running for').waitFor();
    const log = part('Log');
    if (stage.mock) {
      await log.getByText('stopped: 3 others hold every piece').waitFor();
      expect(await log.getByText('a peer left').count()).toBe(0);
      await log.getByLabel('Show').selectOption('error');
      await expect.poll(() => log.getByRole('listitem').count()).toBe(1);
      await log.getByLabel('Show').selectOption('info');
    } else {
      await log.getByText('the owner changed the password').waitFor();
    }
    await inspect(page, 'box');
    await log.getByLabel('Find in the log').fill('no such thing');
    await log.getByText('No line is like that.').waitFor();
    await log.getByLabel('Find in the log').fill('');
  });

  it('saves the settings as a file, and restores them from it', async () => {
    const backup = part('Settings as a file');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      backup.getByRole('link', { name: 'Save a backup' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('semoir-settings.json');
    const kept = JSON.parse(readFileSync(await download.path(), 'utf8')) as {
      settings: Record<string, unknown>;
    };
    expect(kept.settings.relays).toBe(8);

    const restore = async (name: string, text: string): Promise<void> => {
      const [chooser] = await Promise.all([
        page.waitForEvent('filechooser'),
        backup.getByRole('button', { name: 'Restore a backup…' }).click(),
      ]);
      await chooser.setFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
    };
    await restore('holiday.json', '{"a": 1}');
    await backup.getByText('“holiday.json” is not a backup of a Semoir.').waitFor();
    const dialog = page.getByRole('dialog');
    await restore('newer.json', JSON.stringify({ ...kept, semoir_backup: 99 }));
    await dialog.getByRole('button', { name: 'Restore' }).click();
    await dialog.getByText('is of version 99').waitFor();
    await page.keyboard.press('Escape');
    const release = { info_hash: '7'.repeat(40), name: 'Long gone', settings: { keep: true } };
    const changed = {
      ...kept,
      settings: { ...kept.settings, relays: 2, colour: 'blue' },
      releases: [release],
    };
    await restore('mine.json', JSON.stringify(changed));
    await inspect(page, 'box-restore');
    await dialog.getByRole('button', { name: 'Restore' }).click();
    await backup.getByText(/^Restored: \d+ settings, 0 releases/).waitFor();
    await backup.getByText('Long gone').waitFor();
    await backup.getByText('colour').waitFor();
    await inspect(page, 'box-restored');
    // The other page's form shows it by itself.
    await expect.poll(() => other.getByLabel('Relays wanted').inputValue()).toBe('2');
  });

  it('restarts where something starts it again, and says so where nothing does', async () => {
    const state = part('State');
    if (!stage.mock) {
      await state.getByText('The box was started by hand').waitFor();
      expect(await state.getByRole('button').count()).toBe(0);
      return;
    }
    await state.getByRole('button', { name: 'Restart…' }).click();
    await inspect(page, 'box-restart');
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    await state.getByText('The box is restarting.').waitFor();
    await page.getByText('The box does not answer. Trying again…').waitFor();
    await inspect(page, 'box-restarting');
    await expect.poll(() => page.getByText('Trying again…').count(), { timeout: 30_000 }).toBe(0);
    await expect.poll(() => state.getByText('The box is restarting.').count()).toBe(0);
  });

  it('forgets everything only when its name is typed', async () => {
    await page.getByRole('button', { name: 'Forget everything…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Forget everything' }).click();
    await dialog.getByText('Choose what becomes of the uploads.').waitFor();
    await dialog.getByText(/^That is not “/).waitFor();
    await inspect(page, 'box-reset');
    await dialog.getByLabel('stays, and is found again').check();
    const field = dialog.getByRole('textbox');
    const label = await dialog.getByText('Type the name of the box:').innerText();
    await field.fill(label.replace('Type the name of the box: ', ''));
    await page.keyboard.press('Enter');
    await page.getByText('The box forgets everything').waitFor();
    await page.getByText('The box does not answer. Trying again…').waitFor();
    if (!stage.mock) return;
    for (const one of [page, other]) {
      await heading('Make this box yours', one).waitFor();
    }
  });

  it('never threw and never broke its policy', () => {
    expect(faults).toEqual([]);
  });
});
