import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { languages, pick } from '.';
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
    const [group = ''] = path.split('.');
    // Stages are looked up by their word.
    return group !== 'stages' && !source.some((text) => new RegExp(`\\bt\\.${path}\\b`).test(text));
  });
  expect(unused).toEqual([]);
});

it('follows the reader', () => {
  expect(pick(['fr-CA', 'en-GB'], ['en', 'fr'])).toBe('fr');
  expect(pick(['de', 'en-GB'], ['en', 'fr'])).toBe('en');
  expect(pick(['DE'], ['en', 'fr'])).toBe('en');
  expect(pick([], ['en', 'fr'])).toBe('en');
});
