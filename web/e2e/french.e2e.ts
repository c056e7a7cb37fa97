import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { DESK, PASSWORD, inspect, open, watch, type Stage } from './stage.ts';

let stage: Stage;
let context: BrowserContext;
let page: Page;
const faults: string[] = [];

beforeAll(async () => {
  stage = await open();
  context = await stage.browser.newContext({ viewport: DESK, locale: 'fr-FR' });
  watch(context, faults);
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
});

afterAll(async () => {
  await stage.close();
});

it('speaks French from the first word on', async () => {
  // Whatever is drawn before the language is known is kept, and must be nothing.
  await page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    new MutationObserver(() => {
      const text = document.querySelector('#app')?.textContent.trim();
      if (text) seen.push(text);
    }).observe(document, { childList: true, subtree: true, characterData: true });
  });
  await page.goto(stage.base);
  const door = page.getByLabel('Mot de passe', { exact: true }).or(page.getByLabel('Code d’installation'));
  await door.waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('fr-FR');
  const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.filter((text) => /Loading|Sign in|Setup|password/i.test(text))).toEqual([]);
});

it('lets the owner in, and shows every view in French', async () => {
  // A box at BASE_URL was claimed by the story before this one; any other is new.
  const code = page.getByLabel('Code d’installation');
  if ((await code.count()) > 0) {
    await inspect(page, 'fr-claim');
    await code.fill(stage.code);
    await page.getByRole('button', { name: 'Suivant' }).click();
    await page.getByLabel('Mot de passe', { exact: true }).fill(PASSWORD);
    await inspect(page, 'fr-password');
  } else {
    await page.getByLabel('Mot de passe', { exact: true }).fill(PASSWORD);
  }
  await page.getByLabel('Mot de passe', { exact: true }).press('Enter');
  const found = page.getByRole('heading', { level: 1, name: 'Ce qui a été trouvé' });
  const home = page.getByRole('heading', { level: 1, name: 'Ce que partage ce boîtier' });
  await found.or(home).waitFor();
  if ((await found.count()) > 0) {
    await inspect(page, 'fr-welcome');
    await page.getByRole('button', { name: 'Plus tard' }).click();
    await inspect(page, 'fr-optional');
    await page.getByRole('button', { name: 'Pas maintenant' }).click();
  }
  await home.waitFor();
  if (stage.mock) {
    await page.request.post(`${stage.base}/api/v1/mock/furnish`);
    await page.getByText('Orchard atlas').waitFor();
  }
  await inspect(page, 'fr-home');
  const release = page.locator('article[data-release] h3 a').first();
  if ((await release.count()) > 0) {
    await release.click();
    await page.getByRole('heading', { name: 'Ce qui s’est passé, et pourquoi' }).waitFor();
    await inspect(page, 'fr-release');
  }
  await page.getByRole('link', { name: 'Ajouter', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Ajouter des fichiers' }).waitFor();
  await inspect(page, 'fr-upload');
  await page.getByRole('link', { name: 'Réglages' }).click();
  await page.getByLabel('Limite d’envoi').waitFor();
  await inspect(page, 'fr-settings');
  await page.getByRole('link', { name: 'Compte' }).click();
  await page.getByText('celui-ci', { exact: true }).waitFor();
  await inspect(page, 'fr-account');
  await page.getByRole('link', { name: 'Boîtier' }).click();
  await page.getByText('En marche depuis').waitFor();
  await page.getByRole('button', { name: 'Tout oublier…' }).click();
  await inspect(page, 'fr-box');
  await page.keyboard.press('Escape');
});

it('never threw and never broke its policy', () => {
  expect(faults).toEqual([]);
});
