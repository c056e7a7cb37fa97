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
});

afterAll(async () => {
  await stage.close();
});

const part = (): Locator => page.getByRole('region', { name: 'Network shares' });
const field = (name: string): Locator => part().getByLabel(name, { exact: true });
const press = (name: string): Promise<void> => part().getByRole('button', { name, exact: true }).click();
const focused = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element) => element === document.activeElement);

/** A server that is not there: of the mock by its name; of the real box a port of our own machine where nobody listens. */
const away = (): string => (stage.mock ? 'nobody.local' : '127.0.0.1:1');

/** The story is told in order: each part stands on the one before. */
describe('network shares', { concurrent: false }, () => {
  it('opens a form with the keyboard, and closes it where it was opened', async () => {
    await enter(page, stage);
    await page.goto(`${stage.base}/#/settings`);
    const add = part().getByRole('button', { name: 'Add a network share…' });
    await add.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => focused(field('Kind'))).toBe(true);
    await inspect(page, 'shares');
    await press('Cancel');
    await expect.poll(() => part().getByRole('form').count()).toBe(0);
  });

  it('says beside the button what cannot be, and keeps what was typed', async () => {
    await press('Add a network share…');
    await field('Server').fill('nas,rw');
    await field('Folder').fill('media/films');
    await press('Save');
    await part().getByRole('alert').filter({ hasText: 'The server is a name or an address' }).waitFor();
    expect(await field('Server').inputValue()).toBe('nas,rw');
  });

  it('takes a share up though its server is away, and says why it is not here', async () => {
    await field('Server').fill(away());
    await field('User').fill('HOME\\mia');
    await field('Password').fill('sesame');
    await press('Save');
    const why = stage.mock ? 'no machine of that name was found' : 'the server refuses the connection';
    await part().getByText(why).waitFor();
    await part().getByRole('button', { name: 'Try now' }).click();
    await part().getByText(why).waitFor();
    await inspect(page, 'shares-away');
  });

  it('keeps the password, and shows it nowhere', async () => {
    await press('Change…');
    expect(await field('User').inputValue()).toBe('HOME\\mia');
    expect(await field('Password').inputValue()).toBe('');
    await part().getByText('One is kept.').waitFor();
    expect(await page.content()).not.toContain('sesame');
    await field('Folder').fill('media/music');
    await press('Save');
    await part().getByText('media/music').waitFor();
    await press('Change…');
    await part().getByText('One is kept.').waitFor();
    await press('Cancel');
  });

  it('needs no user for NFS', async () => {
    await press('Change…');
    await field('Kind').selectOption('nfs');
    expect(await field('User').count()).toBe(0);
    await field('Folder').fill('/srv/films');
    await press('Save');
    await part().getByText(':/srv/films').waitFor();
  });

  it('removes it when that is confirmed', async () => {
    await press('Remove…');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Nothing on its server changes.').waitFor();
    await inspect(page, 'shares-remove');
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await dialog.waitFor({ state: 'detached' });
    await expect.poll(() => part().getByText('/srv/films').count()).toBe(0);
    expect(faults).toEqual([]);
  });
});
