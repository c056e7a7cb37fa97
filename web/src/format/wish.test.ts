import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import type { ReleaseSettings } from '../api/types';
import { COUNTS, LONGEST_MINUTES, WAITS, counts, read, waits, write } from './wish';

const none: ReleaseSettings = {
  relays: null,
  keep: null,
  generous: null,
  sustain: null,
  patience: null,
  proven: null,
  missed: null,
  apart: null,
  fresh: null,
  forget: null,
  reach: null,
  dwell: null,
  monthly_budget: null,
};

const some: ReleaseSettings = {
  relays: 5,
  keep: false,
  generous: true,
  sustain: 0,
  patience: 90,
  proven: 0,
  missed: 7,
  apart: 60,
  fresh: 61,
  forget: 2_592_000,
  reach: 3600,
  dwell: 1,
  monthly_budget: 1_500_000_000,
};

it('comes back as it was shown', () => {
  for (const settings of [none, some]) {
    expect(read(write(settings), 50)).toEqual({ patch: settings, wrong: [] });
  }
});

it('shows minutes and gigabytes', () => {
  const { waits, budget, keep, generous } = write(some);
  expect([waits.patience, waits.forget, budget, keep, generous]).toEqual([
    '1.5',
    '43200',
    '1.5',
    'no',
    'yes',
  ]);
});

it('names every field that is wrong, and sends none of it', () => {
  const written = write(none);
  Object.assign(written, { relays: '51', budget: '0' });
  for (const key of waits) written.waits[key] = key === 'dwell' ? String(LONGEST_MINUTES + 1) : '-1';
  for (const key of counts) written.counts[key] = '1.5';
  const { patch, wrong } = read(written, 50);
  expect(wrong.toSorted()).toEqual(['relays', 'budget', ...waits, ...counts].toSorted());
  expect(patch).toEqual({ keep: null, generous: null });
});

it('shows the same defaults as the box documents', () => {
  const document = JSON.parse(readFileSync(join(import.meta.dirname, '../../openapi.json'), 'utf8')) as {
    components: { schemas: { ReleaseSettings: { properties: Record<string, { description: string }> } } };
  };
  const { properties } = document.components.schemas.ReleaseSettings;
  const documented = (key: string): number =>
    Number(/(\d+) unless set/.exec(properties[key]?.description.replace(/\s+/g, ' ') ?? '')?.[1]);
  for (const key of waits) expect([key, documented(key)]).toEqual([key, WAITS[key]]);
  for (const key of counts) expect([key, documented(key)]).toEqual([key, COUNTS[key].otherwise]);
});
