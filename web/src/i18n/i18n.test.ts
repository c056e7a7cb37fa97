import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { languages, locale, pick, speak, t } from '.';
import { en } from './en';

/** Every word's path with what it is: `home.title` → `text`, `home.count` → `words of 2`. */
function shape(words: object, path = ''): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(words) as [string, unknown][]) {
    const here = path ? `${path}.${key}` : key;
    if (typeof value === 'string') all.set(here, 'text');
    else if (typeof value === 'function') all.set(here, `words of ${value.length}`);
    else for (const [inner, what] of shape(value as object, here)) all.set(inner, what);
  }
  return all;
}

const source = readdirSync(join(import.meta.dirname, '..'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(svelte|ts)$/.test(name) && !name.endsWith('.test.ts') && !name.startsWith('i18n'))
  .map((name) => readFileSync(join(import.meta.dirname, '..', name), 'utf8'));

describe.each(Object.entries(languages))('%s', (_, load) => {
  it('says everything that English says, and no more', async () => {
    expect(shape(await load())).toEqual(shape(en));
  });

  it('leaves nothing empty', async () => {
    const blank = JSON.stringify(await load()).match(/"[^"]+":"\s*"/g);
    expect(blank).toBeNull();
  });
});

it('has no word that the page never says', () => {
  const unused = [...shape(en).keys()].filter((path) => {
    const group = path.slice(0, path.lastIndexOf('.'));
    // Some are looked up by their word.
    const lookedUp = source.some((text) => text.includes(`t.${group}[`));
    return !lookedUp && !source.some((text) => new RegExp(`\\bt\\.${path}\\b`).test(text));
  });
  expect(unused).toEqual([]);
});

it('follows the reader', () => {
  expect(pick(['fr-CA', 'en-GB'], ['en', 'fr'])).toBe('fr');
  expect(pick(['de', 'en-GB'], ['en', 'fr'])).toBe('en');
  expect(pick(['DE'], ['en', 'fr'])).toBe('en');
  expect(pick([], ['en', 'fr'])).toBe('en');
});

describe('spoken', () => {
  afterEach(async () => {
    vi.restoreAllMocks();
    await speak(['en-GB']);
  });

  it('takes the words and the region of the first language it speaks', async () => {
    await speak(['de', 'fr-CA', 'fr-FR', 'en']);
    expect(t.nav.settings).toBe('Réglages');
    expect(locale).toBe('fr-CA');
  });

  it('takes no language for another whose tag begins alike', async () => {
    await speak(['frr-DE', 'eng', 'en-US']);
    expect(t.nav.settings).toBe('Settings');
    expect(locale).toBe('en-US');
  });

  it('stays with English when the words do not arrive', async () => {
    vi.spyOn(languages, 'fr').mockRejectedValue(new TypeError('Failed to fetch'));
    await speak(['fr-FR', 'en-US']);
    expect(t.nav.settings).toBe('Settings');
    expect(locale).toBe('en-US');
  });
});

/** All that a language can say: its words, and what its functions answer. */
function sentences(words: object): string[] {
  return Object.values(words).flatMap((value: unknown) => {
    if (typeof value === 'string') return [value];
    if (typeof value !== 'function') return sentences(value as object);
    const say = value as (...given: unknown[]) => string;
    return [1, 2].map((given) => say(...Array<unknown>(say.length).fill(given)));
  });
}

it('sets French signs as French does', async () => {
  const said = sentences((await languages.fr?.()) ?? {});
  expect(said.length).toBeGreaterThan(150);
  // A space that may break, or none at all, before a sign that wants one; one after «; a straight apostrophe.
  const wrong = /[ \p{L}\d][?!;:»%](?!\w)|« |\p{L}'\p{L}/u;
  expect(said.filter((one) => wrong.test(one))).toEqual([]);
});
