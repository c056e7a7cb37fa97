import { readFileSync } from 'node:fs';

import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, enter, inspect, open, watch, type Stage } from './stage.ts';

let stage: Stage;
let context: BrowserContext;
let page: Page;
let other: Page;
const faults: string[] = [];

beforeAll(async () => {
  stage = await open();
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB' });
  watch(context, faults);
  page = await context.newPage();
  other = await context.newPage();
  for (const one of [page, other]) one.setDefaultTimeout(30_000);
  await enter(page, stage);
});

afterAll(async () => {
  await stage.close();
});

const part = (name: string, on = page): Locator => on.getByRole('region', { name });
const button = (name: string | RegExp, on = page): Locator => on.getByRole('button', { name });
const focused = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element) => element === document.activeElement);

/** Makes the box in memory a whole system, in this state. */
async function be(system: object = {}): Promise<void> {
  await page.request.post(`${stage.base}/api/v1/mock/system`, { data: system });
}

async function order(faults: object): Promise<void> {
  await page.request.post(`${stage.base}/api/v1/mock/faults`, { data: faults });
}

/** An update of this version, so large. */
const bundle = (version: string, bytes = 64): { name: string; mimeType: string; buffer: Buffer } => ({
  name: `semoir-rpi4-${version}.raucb`,
  mimeType: '',
  buffer: Buffer.concat([Buffer.from(`semoir-update ${version}\n`), Buffer.alloc(bytes, 'oats')]),
});

async function choose(file: ReturnType<typeof bundle>): Promise<void> {
  const [chooser] = await Promise.all([
    page.waitForEvent('filechooser'),
    button('Choose the file').press('Enter'),
  ]);
  await chooser.setFiles(file);
}

/** Only the image is a whole system; without it, the story is told of the box in memory. */
describe('the whole system', { concurrent: false }, () => {
  it('is not spoken of where the box is a program on a computer', async () => {
    await page.goto(`${stage.base}/#/box`);
    await part('State').getByText('Running for').waitFor();
    for (const name of ['Updates', 'Wi-Fi']) expect(await part(name).count()).toBe(0);
    expect(await button(/Shut down/).count()).toBe(0);
    expect(await part('State').getByRole('alert').count()).toBe(0);
  });

  it('takes an update that is chosen with the keyboard, and says beside it what is wrong with it', async ({
    skip,
  }) => {
    if (!stage.mock) skip();
    await be();
    await page.reload();
    await part('Updates').waitFor();
    await inspect(page, 'system');
    await choose({ ...bundle(''), buffer: Buffer.from('a film') });
    await part('Updates').getByText('Looking at who signed it…').waitFor();
    await part('Updates').getByRole('alert').getByText('nobody we know has signed it').waitFor();
    await inspect(page, 'system-refused');
    await expect.poll(() => focused(part('Updates').getByRole('heading'))).toBe(true);
  });

  it('shows how much of it has left, also after another view, and gives it up', async ({ skip }) => {
    if (!stage.mock) skip();
    const line = await context.newCDPSession(page);
    const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 100_000 };
    await line.send('Network.enable');
    await line.send('Network.emulateNetworkConditions', slow);
    await choose(bundle('0.2.0', 4e6));
    const progress = part('Updates').getByRole('progressbar');
    await progress.waitFor();
    await expect.poll(() => progress.evaluate((bar: HTMLProgressElement) => bar.value)).toBeGreaterThan(0);
    await part('Updates')
      .getByText(/ of 4 MB$/)
      .waitFor();
    await page.getByRole('link', { name: 'Account' }).click();
    await page.getByRole('heading', { level: 1, name: 'Account' }).waitFor();
    await page.getByRole('link', { name: 'Box', exact: true }).click();
    await progress.waitFor();
    await inspect(page, 'system-sending');
    await button('Cancel').click();
    await button('Choose the file').waitFor();
    expect(await part('Updates').getByRole('alert').count()).toBe(0);
    await line.send('Network.emulateNetworkConditions', { ...slow, uploadThroughput: -1 });
    await line.detach();
    await expect
      .poll(async () => {
        const answer = await page.request.get(`${stage.base}/api/v1/box/system`);
        return ((await answer.json()) as { update: { state: string } }).update.state;
      })
      .toBe('none');
  });

  it('takes one that is dropped, and two pages agree on it', async ({ skip }) => {
    if (!stage.mock) skip();
    await other.goto(`${stage.base}/#/box`);
    await part('Updates', other).waitFor();
    const dropped = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['semoir-update 0.2.0\noats'], 'semoir-rpi4-0.2.0.raucb'));
      return transfer;
    });
    await page.getByText('Drag the file of an update here').dispatchEvent('drop', { dataTransfer: dropped });
    for (const one of [page, other])
      await part('Updates', one).getByText('Version 0.2.0 (24 B) can be installed.').waitFor();
    await inspect(page, 'system-ready');
    await button('Discard', other).click();
    for (const one of [page, other]) await button('Choose the file', one).waitFor();
  });

  it('installs it, and says how far it is and what went wrong', async ({ skip }) => {
    if (!stage.mock) skip();
    await choose(bundle('0.2.0-torn'));
    await button('Install').press('Enter');
    await part('Updates').getByRole('progressbar').waitFor();
    await expect.poll(() => focused(part('Updates').getByRole('heading'))).toBe(true);
    await part('Updates').getByText('cannot be written: input/output error').waitFor();
    await inspect(page, 'system-torn');
    // While one is being installed, the box is not sent away.
    const update = {
      state: 'installing',
      bundle: { version: '0.1.9', board: 'rpi4', bytes: 71e6 },
      percent: 40,
    };
    await be({ update });
    await part('Updates').getByText('Installing version 0.1.9: 40 %.').waitFor();
    await inspect(page, 'system-installing');
    await button('Restart…').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Restart' }).click();
    await dialog.getByRole('alert').getByText('An update is being installed.').waitFor();
    await page.keyboard.press('Escape');
    await be();
    await choose(bundle('0.2.0'));
    await button('Install').click();
    await part('Updates').getByText('Version 0.2.0 is installed').waitFor();
    await inspect(page, 'system-installed');
  });

  it('restarts into it after one question, and is back with the page of the new version', async ({
    skip,
  }) => {
    if (!stage.mock) skip();
    await page.evaluate(() => Object.assign(window, { old: true }));
    await button('Restart into the new version…').press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('heading', { name: 'Restart into version 0.2.0?' }).waitFor();
    await inspect(page, 'system-restart');
    await dialog.getByRole('button', { name: 'Restart' }).click();
    await part('State').getByText('The box is restarting.').waitFor();
    expect(await button('Restart into the new version…').isDisabled()).toBe(true);
    await page.getByText('The box does not answer. Trying again…').waitFor();
    await part('Updates').getByText('Version 0.2.0 is on trial').waitFor();
    expect(await page.evaluate(() => 'old' in window)).toBe(false);
    await inspect(page, 'system-trial');
    const last = { version: '0.2.0', from: '0.1.0-mock', at: Date.now() / 1000, reason: null };
    await be({ slot: 'B', last: { ...last, outcome: 'kept' } });
    await part('Updates')
      .getByText(/^Updated from 0\.1\.0-mock to 0\.2\.0 \(/)
      .waitFor();
    await part('State').getByText('0.2.0').waitFor();
    await inspect(page, 'system-kept');
  });

  it('asks another page that is open to load itself anew', async ({ skip }) => {
    if (!stage.mock) skip();
    await other.getByText('The box runs another version now.').waitFor();
    await inspect(other, 'system-stale');
    await button('Load its page', other).click();
    await part('Updates', other)
      .getByText(/^Updated from/)
      .waitFor();
    expect(await other.getByText('The box runs another version now.').count()).toBe(0);
  });

  it('says why it went back', async ({ skip }) => {
    if (!stage.mock) skip();
    await choose(bundle('0.3.0-lame'));
    await button('Install').click();
    await button('Restart into the new version…').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    await part('Updates')
      .getByText(/^Version 0\.3\.0-lame did not work, and the box went back to 0\.2\.0/)
      .waitFor();
    await part('Updates').getByText('did not serve within 15 minutes').waitFor();
    await inspect(page, 'system-went-back');
  });

  it('gives away what earlier starts logged', async ({ skip }) => {
    if (!stage.mock) skip();
    const at = Date.now() / 1000 - 9e5;
    await be({ journals: [{ start: 'last', at, bytes: 80 }] });
    await page.reload();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      part('Log')
        .getByRole('link', { name: /^Until / })
        .click(),
    ]);
    expect(download.suggestedFilename()).toBe('semoir-journal-last.txt');
    expect(readFileSync(await download.path(), 'utf8')).toContain('Reached target Power Off');
    await inspect(page, 'system-journals');
  });

  it('joins a Wi-Fi, and says what is wrong with it', async ({ skip }) => {
    if (!stage.mock) skip();
    const wifi = part('Wi-Fi');
    await wifi.getByText('The box uses no Wi-Fi.').waitFor();
    await wifi.getByRole('button', { name: 'Join a network…' }).press('Enter');
    await expect.poll(() => focused(wifi.getByLabel('Name of the network'))).toBe(true);
    expect(await wifi.getByLabel('Country').inputValue()).toBe('GB');
    await wifi.getByText('United Kingdom').waitFor();
    await wifi.getByLabel('Password', { exact: true }).fill('1234567');
    await page.keyboard.press('Enter');
    await wifi.getByText('Write the name of the network').waitFor();
    await wifi.getByText('It has 8 to 63').waitFor();
    await expect.poll(() => focused(wifi.getByLabel('Name of the network'))).toBe(true);
    await inspect(page, 'system-wifi-faults');
    await page.keyboard.type('taken');
    await wifi.getByLabel('Password', { exact: true }).fill('wrong password');
    await page.keyboard.press('Enter');
    await wifi.getByRole('alert').getByText('That network cannot be joined.').waitFor();
    await wifi.getByLabel('Name of the network').fill('Barn <b>');
    await page.keyboard.press('Enter');
    await wifi.getByText('Connecting to “Barn <b>”…').waitFor();
    await wifi.getByText('the password is wrong').waitFor();
    await inspect(page, 'system-wifi-failed');
    await wifi.getByRole('button', { name: 'Join a network…' }).press('Enter');
    await expect.poll(() => focused(wifi.getByLabel('Name of the network'))).toBe(true);
    await wifi.getByLabel('Password', { exact: true }).fill('the right one');
    await page.keyboard.press('Enter');
    await wifi.getByText('Connected to “Barn <b>”.').waitFor();
    expect(await wifi.getByLabel('Password', { exact: true }).count()).toBe(0);
    await wifi.getByRole('button', { name: 'Forget…' }).click();
    await inspect(page, 'system-wifi-forget');
    await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click();
    await wifi.getByText('The box uses no Wi-Fi.').waitFor();
    await expect.poll(() => focused(wifi.getByRole('heading'))).toBe(true);
    await be({ wifi: null });
    await expect.poll(() => wifi.count(), { timeout: 20_000 }).toBe(0);
  });

  it('is given a Wi-Fi after the first run, where it can have one', async ({ skip }) => {
    if (!stage.mock) skip();
    const lastStep = async (on: Page): Promise<void> => {
      await on.goto(`${stage.base}/#/welcome`);
      await button('Later', on).click();
      await button('Not now', on).waitFor();
    };
    await be({ wifi: null });
    await lastStep(page);
    expect(await part('Wi-Fi').count()).toBe(0);
    await page.goto(`${stage.base}/#/`);
    await be();
    await lastStep(page);
    await part('Wi-Fi').getByRole('button', { name: 'Join a network…' }).click();
    await inspect(page, 'optional-wifi');
    await page.keyboard.type('Barn');
    await part('Wi-Fi').getByLabel('Password', { exact: true }).fill('the right one');
    await page.keyboard.press('Enter');
    await part('Wi-Fi').getByText('Connected to “Barn”.').waitFor();
    // What stands beside it is saved all the same.
    await page.getByLabel('Name of the box').fill('Barn box');
    await button('Save and go on').click();
    await page.getByRole('heading', { level: 1, name: 'What this box shares' }).waitFor();
    await page.getByRole('link', { name: 'Barn box' }).waitFor();
    await page.goto(`${stage.base}/#/box`);
  });

  it('speaks French too', async ({ skip }) => {
    if (!stage.mock) skip();
    await be({
      update: { state: 'installing', bundle: { version: '0.4.0', board: 'rpi4', bytes: 71e6 }, percent: 40 },
      last: { version: '0.2.0', from: '0.1.0', at: Date.now() / 1000 - 9e5, outcome: 'kept', reason: null },
      database: { set_aside: 'semoir.db.set-aside-7', at: Date.now() / 1000 - 9e4 },
      wifi: { network: 'Grange', connected: true, problem: null },
      journals: [{ start: 'last', at: Date.now() / 1000 - 9e5, bytes: 80 }],
    });
    const french = await stage.browser.newContext({
      viewport: DESK,
      locale: 'fr-FR',
      storageState: await context.storageState(),
    });
    watch(french, faults);
    const page = await french.newPage();
    await page.goto(`${stage.base}/#/box`);
    await page.getByText(/^Mis à jour de 0\.1\.0 à 0\.2\.0/).waitFor();
    await page.getByText('Installation de la version 0.4.0').first().waitFor();
    await page.getByText('mise de côté').waitFor();
    await inspect(page, 'fr-system');
    await page.getByRole('button', { name: 'Rejoindre un réseau…' }).click();
    await page.getByLabel('Pays').waitFor();
    await page.getByRole('button', { name: 'Éteindre…' }).click();
    await page.getByRole('heading', { name: 'Éteindre le boîtier' }).waitFor();
    await inspect(page, 'fr-system-shut-down');
    await french.close();
  });

  it('shuts down after a question, and is known when it is back', async ({ skip }) => {
    if (!stage.mock) skip();
    await be();
    await button('Shut down…').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Shut down' }).click();
    await part('State').getByText('The box is shutting down.').waitFor();
    await page.getByText('The box does not answer. Trying again…').waitFor();
    await inspect(page, 'system-shut-down');
    await order({ away: false });
    await button('Try now').click();
    await expect.poll(() => page.getByText('The box is shutting down.').count()).toBe(0);
    await button('Shut down…').waitFor();
  });

  it('never threw and never broke its policy', () => {
    expect(faults).toEqual([]);
  });
});
