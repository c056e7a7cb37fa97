import { afterAll, beforeAll, expect, it } from 'vitest';

import { speak, t } from '../i18n';
import { readCap, showCap } from './cap';
import { bytes, copies, percent, rate } from './quantity';
import { readQuota, showQuota } from './setting';
import { moment, span } from './time';

beforeAll(() => speak(['fr-FR']));
afterAll(() => speak(['en-GB']));

it('counts octets, with a comma and spaces that do not break', () => {
  expect(bytes(999)).toBe('999\u00a0o');
  expect(bytes(1_250_000)).toBe('1,25\u00a0Mo');
  expect(bytes(43_700_000_000)).toBe('43,7\u00a0Go');
  expect(bytes(5e19)).toBe('50\u202f000\u00a0Po');
  expect(rate(412_300)).toBe('412\u00a0ko/s');
  expect(copies(1.006)).toBe('1,01');
  expect(percent(0.29)).toBe('29\u202f%');
});

it('writes dates and spans', () => {
  const now = new Date(2026, 10, 22, 20, 0).getTime() / 1000;
  expect(moment(now - 6 * 3600, now)).toBe('14:00');
  expect(moment(now - 24 * 3600, now)).toMatch(/^21 nov\..*20:00$/);
  expect(span(5000)).toBe('1\u00a0h\u00a024\u00a0min');
  expect(span(200_000)).toBe('3\u00a0jours');
});

it('keeps the singular up to two', () => {
  expect(t.home.count(0, 0)).toBe('0 publication');
  expect(t.home.count(1, 1)).toBe('1 publication');
  expect(t.home.count(2, 2)).toBe('2 publications');
});

it('shows a typed number with a comma, and reads it back', () => {
  for (const cap of [1, 125_000, 1_230_000, 1_234_567]) {
    const { value, unit } = showCap(cap);
    expect(value).not.toContain('.');
    expect(readCap(value, unit)).toBe(cap);
  }
  expect(showQuota(1.5e9)).toBe('1,5');
  expect(readQuota(showQuota(1.5e9))).toBe(1.5e9);
});
