import { describe, expect, it } from 'vitest';

import { readCap, showCap } from './cap';
import { caretAfter, formatCode, isWhole } from './code';
import { publicBase, sharePage } from './links';
import { bytes, copies, copiesOut, percent, rate } from './quantity';
import {
  badTracker,
  isContact,
  isHost,
  isLonger,
  readDay,
  readQuota,
  readRelays,
  showQuota,
  trackerLines,
} from './setting';
import { moment, span } from './time';

describe('quantities', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [999_499, '999 kB'],
    [999_500, '1 MB'],
    [1_250_000, '1.25 MB'],
    [43_700_000_000, '43.7 GB'],
    [99_960_000, '100 MB'],
    [2e15, '2 PB'],
    [5e19, '50,000 PB'],
    [-1, '–'],
    [Number.NaN, '–'],
  ])('%d bytes read %s', (count, words) => {
    expect(bytes(count)).toBe(words);
  });

  it('says rates by the second', () => {
    expect(rate(412_300)).toBe('412 kB/s');
  });

  it('keeps two decimals for copies, and claims no whole copy too early', () => {
    expect(copies(0)).toBe('0.00');
    expect(copies(1.006)).toBe('1.01');
    expect(copies(Number.POSITIVE_INFINITY)).toBe('–');
    expect(copiesOut(0.9999)).toBe('0.99');
    expect(copiesOut(0.29)).toBe('0.29');
    expect(copiesOut(1)).toBe('1.00');
  });

  it('reaches 100 % only at the end', () => {
    expect(percent(0.999)).toBe('99 %');
    expect(percent(1)).toBe('100 %');
    expect(percent(7)).toBe('100 %');
    expect(percent(Number.NaN)).toBe('0 %');
    expect(percent(0.29)).toBe('29 %');
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 22, 20, 0).getTime() / 1000;

  it('shows no more of a date than is needed', () => {
    expect(moment(now - 6 * 3600 + 120, now)).toBe('14:02');
    expect(moment(now - 24 * 3600, now)).toBe('21 Nov, 20:00');
    expect(moment(now - 365 * 24 * 3600, now)).toBe('22 Nov 2025, 20:00');
  });

  it.each([
    [0, '1 s'],
    [89.2, '90 s'],
    [91, '2 min'],
    [3540, '59 min'],
    [3541, '1 h'],
    [5000, '1 h 24 min'],
    [200_000, '3 days'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%d seconds read %s', (seconds, words) => {
    expect(span(seconds)).toBe(words);
  });
});

describe('the setup code', () => {
  it.each([
    ['', ''],
    ['abc', 'ABC'],
    ['abcd', 'ABCD'],
    ['abcde', 'ABCD-E'],
    [' abcd - efgh ', 'ABCD-EFGH'],
    ['ABCD-EFGHIJ', 'ABCD-EFGH'],
    ['abcdéfgh', 'ABCD-FGH'],
  ])('%j becomes %j', (typed, code) => {
    expect(formatCode(typed)).toBe(code);
  });

  it('is whole with eight characters', () => {
    expect(isWhole('ABCD-EFG')).toBe(false);
    expect(isWhole('ABCD-EFGH')).toBe(true);
  });

  it('leaves the caret behind the character that was typed', () => {
    expect(caretAfter('abXcd', 3, 'ABXC-D')).toBe(3);
    expect(caretAfter('abcde', 5, 'ABCD-E')).toBe(6);
    expect(caretAfter('abcd', 4, 'ABCD')).toBe(4);
  });
});

describe('the upstream limit', () => {
  it('is shown in the unit that reads best', () => {
    expect(showCap(null)).toEqual({ value: '', unit: 'mbit' });
    expect(showCap(1_250_000)).toEqual({ value: '10', unit: 'mbit' });
    for (const value of ['1.1', '2.3', '8.7']) {
      expect(showCap(readCap(value, 'mbit'))).toEqual({ value, unit: 'mbit' });
    }
    expect(showCap(290_000)).toEqual({ value: '2.32', unit: 'mbit' });
    expect(showCap(1_230_000)).toEqual({ value: '9.84', unit: 'mbit' });
    expect(showCap(1_234_567)).toEqual({ value: '1234.567', unit: 'kb' });
  });

  it('survives being shown and read', () => {
    for (const cap of [1, 999, 125_000, 400_000, 1_048_576, 3_141_592, 125_000_000]) {
      const { value, unit } = showCap(cap);
      expect(readCap(value, unit)).toBe(cap);
    }
  });

  it('is none when empty, and refuses what is no rate', () => {
    expect(readCap('  ', 'mbit')).toBeNull();
    expect(readCap('2,5', 'mb')).toBe(2_500_000);
    for (const bad of ['0', '-1', '1e9', 'ten', '1.2.3', '.', '9'.repeat(30)]) {
      expect(readCap(bad, 'mbit')).toBeUndefined();
    }
  });
});

describe('public links', () => {
  it.each([
    [{ public_port: 6880 }, 'semoir.local', 'http://semoir.local:6880'],
    [{ public_port: 80 }, 'semoir.local', 'http://semoir.local'],
    [{ public_port: 6880, public_host: 'box.example.org' }, 'semoir.local', 'http://box.example.org:6880'],
    [{ public_port: 6880, public_host: 'box.example.org:81' }, 'semoir.local', 'http://box.example.org:81'],
    [{ public_port: 6880, public_host: ' ' }, '[fd00::1]', 'http://[fd00::1]:6880'],
    [{ public_port: 6880, public_host: 'fd00::1' }, 'semoir.local', 'http://[fd00::1]:6880'],
    [{ public_port: 6880, public_host: '[fd00::1]:81' }, 'semoir.local', 'http://[fd00::1]:81'],
  ])('%j opened by %s is %s', (info, hostname, base) => {
    expect(publicBase(info, hostname)).toBe(base);
  });

  it('names a release by its info hash', () => {
    expect(sharePage('http://box:6880', 'ab')).toBe('http://box:6880/r/ab');
  });
});

describe('settings', () => {
  it('reads and shows a quota', () => {
    expect(['500', '1,5', '1.', ' 2.25 '].map(readQuota)).toEqual([5e11, 1.5e9, 1e9, 2.25e9]);
    expect(readQuota(' ')).toBe(null);
    for (const bad of ['0', '0.9', '-5', 'much', '1e3', '99999999']) expect(readQuota(bad)).toBe(undefined);
    expect([null, undefined, 1.5e9].map(showQuota)).toEqual(['', '', '1.5']);
    expect(['1', '31'].map(readDay)).toEqual([1, 31]);
    for (const bad of ['0', '32', '', '1.5']) expect(readDay(bad)).toBe(undefined);
  });

  it('takes one tracker a line, each once', () => {
    expect(trackerLines(' http://a/announce\n\nudp://b:1\r\nhttp://a/announce')).toEqual([
      'http://a/announce',
      'udp://b:1',
    ]);
  });

  it('finds the line that is no tracker', () => {
    expect(badTracker(['https://a/announce', 'udp://b:6969/announce'])).toBeUndefined();
    expect(badTracker(['https://a/announce', 'ftp://b'])).toBe('ftp://b');
    expect(badTracker(['udp://b:99999'])).toBe('udp://b:99999');
    expect(badTracker(['http://'])).toBe('http://');
  });

  it('knows a host from an address', () => {
    for (const good of ['box.example.org', 'box.local:81', '192.0.2.1', 'fd00::1', '[fd00::1]:81']) {
      expect(isHost(good)).toBe(true);
    }
    for (const bad of ['http://box', 'box/path', 'a b', 'user@box', 'box:port', 'box:99999']) {
      expect(isHost(bad)).toBe(false);
    }
  });

  it('wants a whole number of relays in range', () => {
    expect(readRelays(' 3 ')).toBe(3);
    for (const bad of ['', '0', '51', '2.5', '-1', 'x']) expect(readRelays(bad)).toBeUndefined();
  });
});

describe('what visitors read', () => {
  it.each(['me@box.example', 'a.b+c@x.y-z.example', 'https://box.example/contact', 'http://192.0.2.1'])(
    'takes %s as a contact',
    (text) => {
      expect(isContact(text)).toBe(true);
    },
  );

  it.each([
    'me',
    'me@box',
    'a b@box.example',
    'javascript:alert(1)',
    'ftp://box.example',
    'https://',
    '"a"@b.example',
  ])('refuses %s', (text) => {
    expect(isContact(text)).toBe(false);
  });

  it('counts characters as the box does', () => {
    expect(isLonger(' 🌾🌾 ', 2)).toBe(false);
    expect(isLonger('🌾🌾', 1)).toBe(true);
  });
});
