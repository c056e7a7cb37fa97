import { expect, it } from 'vitest';

import { nearest, path, roundStep, timeTicks, valueTicks } from './scale';

it('steps by one, two and five', () => {
  expect([0.03, 1, 1.1, 3, 7, 400_000].map(roundStep)).toEqual([0.05, 1, 2, 5, 10, 500_000]);
  expect([0, -1, Number.NaN].map(roundStep)).toEqual([1, 1, 1]);
});

it('goes from zero past the top, in few steps', () => {
  expect(valueTicks(1_250_000, 4)).toEqual([0, 500_000, 1_000_000, 1_500_000]);
  expect(valueTicks(1_000_000, 4)).toEqual([0, 500_000, 1_000_000]);
  expect(valueTicks(0, 4)).toEqual([0, 1]);
  for (let top = 1; top < 1e9; top *= 1.7) {
    const ticks = valueTicks(top, 4);
    expect(ticks.length).toBeLessThanOrEqual(5);
    expect(ticks.at(-1)).toBeGreaterThanOrEqual(top * (1 - 1e-9));
  }
});

it('reads times by the clock of the reader', () => {
  expect(timeTicks(1003, 1600, 6, 0)).toEqual({ step: 120, at: [1080, 1200, 1320, 1440, 1560] });
  // Days begin at midnight two hours ahead of UTC.
  const { step, at } = timeTicks(0, 4 * 86_400, 5, 7200);
  expect([step, at[0]]).toEqual([86_400, 86_400 - 7200]);
  expect(timeTicks(0, 1e10, 5, 0).at.length).toBeLessThanOrEqual(6);
});

it('draws a line', () => {
  const same = (value: number): number => value;
  expect(path([1, 2, 3.04], [5, 6, 7], same, (value) => 10 - value)).toBe('M1 5L2 4L3 3');
  expect(path([], [], same, same)).toBe('');
});

it('finds the nearest point', () => {
  const at = [10, 20, 40];
  expect([0, 14, 16, 29, 31, 99].map((time) => nearest(at, time))).toEqual([0, 0, 1, 1, 2, 2]);
  expect(nearest([], 3)).toBe(-1);
});
