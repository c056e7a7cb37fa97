/** What a visitor sees, and what the owner hands out. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jsQR from 'jsqr';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import Parser from 'rss-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DESK, enter, inspect, open, watch, type Stage } from './stage.ts';

const FILM = 'Harvest & <b>home “1931”';
const PHONE_AGENT =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';

let stage: Stage;
let context: BrowserContext;
let page: Page;
let media: string;
/** Where visitors look; none before a box in memory, which has no public listener. */
let visitors = '';
let share = '';
const faults: string[] = [];

beforeAll(async () => {
  media = mkdtempSync(join(tmpdir(), 'semoir-media-'));
  mkdirSync(join(media, FILM, 'extras'), { recursive: true });
  writeFileSync(join(media, FILM, 'film.mkv'), Buffer.alloc(3 * 1024 * 1024, 'seed'));
  writeFileSync(join(media, FILM, 'extras', 'notes é.txt'), 'Notes on the film.\n');
  writeFileSync(join(media, 'Field recordings.flac'), Buffer.alloc(700 * 1024, 'corn'));
  stage = await open(['--source', media]);
  context = await stage.browser.newContext({ viewport: DESK, locale: 'en-GB', acceptDownloads: true });
  watch(context, faults);
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
});

afterAll(async () => {
  await stage.close();
  rmSync(media, { recursive: true, force: true });
});

/** A visitor's browser. The pages have no script, and their policy lets none in, axe's neither. */
async function visitor(options: { locale?: string; userAgent?: string } = {}): Promise<Page> {
  const guest = await stage.browser.newContext({ viewport: DESK, bypassCSP: true, ...options });
  watch(guest, faults);
  return guest.newPage();
}

/** What a telephone reads off the screen. */
async function scan(code: Locator): Promise<string | undefined> {
  const picture = (await code.screenshot()).toString('base64');
  const blank = await stage.browser.newPage();
  const { data, width, height } = await blank.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const canvas = new OffscreenCanvas(width, height).getContext('2d');
    if (!canvas) throw new Error('nothing to draw on');
    canvas.drawImage(image, 0, 0);
    return { data: [...canvas.getImageData(0, 0, width, height).data], width, height };
  }, picture);
  await blank.close();
  return jsQR(Uint8ClampedArray.from(data), width, height)?.data;
}

describe('what is handed out', { concurrent: false }, () => {
  it('is made of a release when it is hashed', async () => {
    await enter(page, stage);
    if (stage.mock) await page.request.post(`${stage.base}/api/v1/mock/furnish`);
    const name = stage.mock ? 'Orchard atlas' : FILM;
    // The card, and not the line on what was decided of it.
    await page.getByRole('link', { name }).first().click();
    await page.getByLabel('Page for visitors').waitFor();
    share = await page.getByLabel('Page for visitors').inputValue();
    expect(share).toMatch(/^http:\/\/[^/]+\/r\/[0-9a-f]{40}$/);
    const image = page.getByRole('img', { name: 'QR code of the page for visitors' });
    await expect.poll(() => image.evaluate((node: HTMLImageElement) => node.naturalWidth)).toBeGreaterThan(0);
    await inspect(page, 'kit');
    if (!stage.mock) {
      // Also where everything else is dark.
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await scan(image), colorScheme).toBe(share);
      }
      await page.emulateMedia({ colorScheme: 'light' });
    }
    await page.getByRole('button', { name: 'Magnet', exact: true }).click();
    const magnet = page.getByRole('img', { name: 'QR code of the magnet link' });
    await expect
      .poll(() => magnet.evaluate((node: HTMLImageElement) => node.complete && node.naturalWidth))
      .toBeGreaterThan(0);
    if (!stage.mock) {
      const hash = /[0-9a-f]{40}$/.exec(share)?.[0] ?? '';
      await expect.poll(() => scan(magnet)).toContain(`magnet:?xt=urn:btih:${hash}`);
    }
    expect(await page.getByLabel('HTML for a page of yours').inputValue()).toContain('/r/');
    expect(await page.locator('[data-reach]').count()).toBe(1);
  });

  it('is a page that opens from a file', async () => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download a page (.zip)' }).click(),
    ]);
    const bytes = readFileSync(await download.path());
    expect(bytes.subarray(0, 2).toString()).toBe('PK');
    if (stage.mock) return;
    // Nothing in the archive is compressed: the page stands in it as it is.
    const text = bytes.toString('utf8');
    const kept = text.slice(text.indexOf('<!doctype html>'), text.indexOf('</html>') + 8);
    const file = join(media, 'kept.html');
    writeFileSync(file, kept);
    const guest = await visitor();
    await guest.goto(`file://${file}`);
    await guest.getByRole('heading', { level: 1, name: FILM }).waitFor();
    await inspect(guest, 'kept-page');
    await guest.context().close();
  });

  it('stands in the settings how visitors see the box', async () => {
    await page.goto(`${stage.base}/#/settings`);
    await page.getByLabel('Contact for copyright').fill('nobody');
    const card = page.locator('section', { has: page.getByRole('heading', { name: 'Public page' }) });
    await card.getByRole('button', { name: 'Publish' }).click();
    await card.getByText('Write a mail address').waitFor();
    await inspect(page, 'settings-public');
    await page.getByLabel('Contact for copyright').fill('anna@box.example');
    await page.getByLabel('Title', { exact: true }).fill('Anna’s films');
    await page.getByLabel('Description', { exact: true }).fill('What the village filmed.\nSince 1931.');
    await card.getByRole('button', { name: 'Publish' }).click();
    await card.getByText('Published.').waitFor();
    expect(await page.getByLabel('Description', { exact: true }).inputValue()).toBe(
      'What the village filmed. Since 1931.',
    );
    if (!stage.mock) visitors = new URL('/', share).href.replace(/\/$/, '');
  });
});

describe('a visitor', { concurrent: false }, () => {
  it('finds the list, and a page for each', async () => {
    if (!visitors) return;
    const guest = await visitor();
    const seen = await guest.goto(visitors);
    expect(seen?.headers()['set-cookie']).toBeUndefined();
    await guest.getByRole('heading', { level: 1, name: 'Anna’s films' }).waitFor();
    await guest.getByText('What the village filmed. Since 1931.').waitFor();
    await inspect(guest, 'public-index');
    await guest.getByRole('link', { name: FILM }).click();
    await guest.getByRole('heading', { level: 1, name: FILM }).waitFor();
    await guest.getByRole('link', { name: 'anna@box.example' }).waitFor();
    await inspect(guest, 'public-release');
    await guest.getByText('On another system').click();
    await guest.getByText('Apple takes no BitTorrent app').waitFor();
    await guest.goto(`${visitors}/r/nothing`);
    await guest.getByRole('heading', { level: 1, name: 'Nothing here' }).waitFor();
    await inspect(guest, 'public-nothing');
    await guest.context().close();
  });

  it('downloads the torrent', async () => {
    if (!visitors) return;
    const guest = await visitor();
    await guest.goto(share);
    const [download] = await Promise.all([
      guest.waitForEvent('download'),
      guest.getByRole('link', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toContain('.torrent');
    expect(
      readFileSync(await download.path())
        .subarray(0, 1)
        .toString(),
    ).toBe('d');
    const magnet = await guest.getByRole('link', { name: 'Open in app' }).getAttribute('href');
    expect(magnet).toMatch(/^magnet:\?xt=urn:btih:[0-9a-f]{40}&/);
    await guest.context().close();
  });

  it('subscribes to the feed, and a reader understands it', async () => {
    if (!visitors) return;
    const feed = await new Parser().parseURL(`${visitors}/feed.xml`);
    expect(feed).toMatchObject({
      title: 'Anna’s films',
      link: `${visitors}/`,
      feedUrl: `${visitors}/feed.xml`,
    });
    expect(feed.items.map(({ title }) => title)).toEqual(
      expect.arrayContaining(['Field recordings.flac', FILM]),
    );
    const film = feed.items.find(({ title }) => title === FILM);
    expect(film?.link).toBe(share);
    expect(Date.now() - Date.parse(film?.isoDate ?? '')).toBeLessThan(3_600_000);
    // What is enclosed is there, of that type and length.
    const { url = '', length, type } = film?.enclosure ?? {};
    const torrent = await fetch(url);
    expect(torrent.headers.get('content-type')).toBe(type);
    expect((await torrent.arrayBuffer()).byteLength).toBe(Number(length));
  });

  it('shows a picture where a link to it is sent', async () => {
    if (!visitors) return;
    const guest = await visitor();
    await guest.goto(share);
    const image = await guest.locator('meta[property="og:image"]').getAttribute('content');
    await guest.goto(image ?? '');
    const size = await guest
      .locator('img')
      .evaluate((node: HTMLImageElement) => [node.naturalWidth, node.naturalHeight]);
    expect(size).toEqual([1200, 630]);
    await guest.context().close();
  });

  it('reads French, on a telephone, where there is no app', async () => {
    if (!visitors) return;
    const guest = await visitor({ locale: 'fr-FR', userAgent: PHONE_AGENT });
    await guest.goto(share);
    await guest.getByText('Apple n’accepte aucune application').waitFor();
    expect(await guest.evaluate(() => document.documentElement.lang)).toBe('fr');
    await inspect(guest, 'public-release-fr');
    await guest.goto(visitors);
    await inspect(guest, 'public-index-fr');
    await guest.context().close();
  });

  it('finds no list where the owner shows none, and the page by its link', async () => {
    if (!visitors) return;
    await page.getByLabel('List of releases').selectOption('off');
    const card = page.locator('section', { has: page.getByRole('heading', { name: 'Public page' }) });
    await card.getByRole('button', { name: 'Publish' }).click();
    await card.getByText('Published.').waitFor();
    const guest = await visitor();
    const answer = await guest.goto(visitors);
    expect(answer?.status()).toBe(404);
    await guest.getByRole('heading', { level: 1, name: 'There is no list here' }).waitFor();
    await inspect(guest, 'public-no-list');
    await guest.goto(share);
    await guest.getByRole('heading', { level: 1, name: FILM }).waitFor();
    await guest.context().close();
  });

  it('breaks nothing', () => {
    expect(faults).toEqual([]);
  });
});
