import { describe, expect, it } from 'vitest';

import { program } from '../../mock/system';
import type { SystemView } from '../api/types';
import { BUSY_MS, CALM_MS, pace, quarters } from './system';
import { wrongIn, type WrongWifi } from './wifi';

describe('how often the system is asked for', () => {
  const whole: SystemView = { ...program('1.0.0'), available: true };
  const last = { version: '1.1.0', from: '1.0.0', at: 1, reason: null };

  it.each<[string, SystemView | undefined, number]>([
    ['not known yet', undefined, 0],
    ['a program on a computer', program('1.0.0'), 0],
    ['nothing happens', whole, CALM_MS],
    ['an update waits', { ...whole, update: { state: 'ready' } }, CALM_MS],
    ['an update comes', { ...whole, update: { state: 'receiving' } }, BUSY_MS],
    ['an update is looked at', { ...whole, update: { state: 'checking' } }, BUSY_MS],
    ['an update is installed', { ...whole, update: { state: 'installing', percent: 7 } }, BUSY_MS],
    ['a version is on trial', { ...whole, last: { ...last, outcome: 'trying' } }, BUSY_MS],
    ['a version was kept', { ...whole, last: { ...last, outcome: 'kept' } }, CALM_MS],
    ['no Wi-Fi is set', { ...whole, wifi: { network: null, connected: false } }, CALM_MS],
    ['a Wi-Fi is being joined', { ...whole, wifi: { network: 'Barn', connected: false } }, BUSY_MS],
    ['a Wi-Fi is joined', { ...whole, wifi: { network: 'Barn', connected: true } }, CALM_MS],
  ])('%s', (_, system, wait) => {
    expect(pace(system)).toBe(wait);
  });

  it('is told in quarters while it grows', () => {
    expect([0, 0.2, 0.25, 0.49, 0.99, 1].map(quarters)).toEqual([0, 0, 25, 25, 75, 100]);
  });
});

describe('a Wi-Fi as it is typed', () => {
  const right = { network: 'Barn', password: 'sow it and wait', country: 'FR' };

  it.each<[string, Partial<Record<WrongWifi, string>>, WrongWifi[]]>([
    ['all of it', {}, []],
    ['an open one', { password: '' }, []],
    ['no country', { country: '' }, []],
    ['a country in small letters, with a space', { country: 'fr ' }, []],
    ['no name', { network: '' }, ['network']],
    ['a name of 32 bytes', { network: 'é'.repeat(16) }, []],
    ['a name of 33 bytes', { network: `${'é'.repeat(16)}a` }, ['network']],
    ['a short password', { password: '1234567' }, ['password']],
    ['the longest password', { password: 'p'.repeat(63) }, []],
    ['a longer one', { password: 'p'.repeat(64) }, ['password']],
    ['a password with an accent', { password: 'semé et récolté' }, ['password']],
    ['a country that is none', { country: 'F1' }, ['country']],
    ['nothing right', { network: '', password: 'p', country: 'FRA' }, ['network', 'password', 'country']],
  ])('%s', (_, typed, wrong) => {
    expect(wrongIn({ ...right, ...typed })).toEqual(wrong);
  });
});
