import { describe, expect, it } from 'vitest';

import type { ScheduleWindow } from '../api/types';
import { DAYS, HOURS, emptyWeek, fromWeek, rates, rectangle, toWeek, type Level } from './week';

/** A number that looks random, the same in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** What the windows let through in each minute of the week, told without any hours. */
function minutes(windows: readonly ScheduleWindow[]): Level[] {
  const all = Array<Level>(7 * 1440).fill(null);
  for (const { days, from, to, rate } of windows) {
    for (const day of days) {
      const start = DAYS.indexOf(day) * 1440;
      for (let minute = from; minute < (to > from ? to : to + 1440); minute += 1) {
        const place = (start + minute) % all.length;
        all[place] = Math.min(all[place] ?? Infinity, rate);
      }
    }
  }
  return all;
}

const hour = (day: number, at: number): number => day * HOURS + at;

describe('a week of hours', () => {
  it('turns into few windows, a night among them', () => {
    const nights = toWeek([{ days: [...DAYS], from: 22 * 60, to: 6 * 60, rate: 0 }]).week;
    expect(fromWeek(nights)).toEqual([{ days: [...DAYS], from: 1320, to: 360, rate: 0 }]);
    const office = emptyWeek();
    for (const place of rectangle(hour(0, 8), hour(4, 17))) office[place] = 125_000;
    expect(fromWeek(office)).toEqual([
      { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: 480, to: 1080, rate: 125_000 },
    ]);
    expect(fromWeek(emptyWeek())).toEqual([]);
    expect(fromWeek(emptyWeek().map(() => 7))).toEqual([{ days: [...DAYS], from: 0, to: 1440, rate: 7 }]);
  });

  it('comes back as it was painted', () => {
    const roll = dice(7);
    for (let tries = 0; tries < 300; tries += 1) {
      const week = emptyWeek();
      for (let strokes = roll(12); strokes > 0; strokes -= 1) {
        const level = [null, 0, 1000, 5_000_000][roll(4)] ?? null;
        for (const place of rectangle(roll(168), roll(168))) week[place] = level;
      }
      const windows = fromWeek(week);
      expect(toWeek(windows)).toEqual({ week, exact: true });
      for (const { from, to, days } of windows) {
        expect(from).not.toBe(to);
        expect(from).toBeLessThan(1440);
        expect(to).toBeLessThanOrEqual(1440);
        expect(new Set(days).size).toBe(days.length);
      }
    }
  });

  it('says what overlapping windows of whole hours say, in every minute', () => {
    const roll = dice(11);
    for (let tries = 0; tries < 60; tries += 1) {
      const windows = Array.from({ length: roll(6) }, (): ScheduleWindow => {
        const from = roll(24);
        const to = (from + 1 + roll(23)) % 25;
        const days = DAYS.filter(() => roll(2) === 1);
        return { days, from: from * 60, to: (to === from ? (to + 1) % 25 : to) * 60, rate: roll(3) * 1000 };
      });
      const { week, exact } = toWeek(windows);
      expect(exact).toBe(true);
      expect(minutes(fromWeek(week))).toEqual(minutes(windows));
    }
  });

  it('says when hours are not fine enough, and sends less then', () => {
    const { week, exact } = toWeek([{ days: ['mon'], from: 8 * 60 + 30, to: 9 * 60 + 15, rate: 0 }]);
    expect(exact).toBe(false);
    expect(week.flatMap((level, place) => (level === 0 ? [place] : []))).toEqual([8, 9]);
  });

  it('knows a rectangle whichever way it is drawn, and its rates', () => {
    expect(rectangle(hour(2, 5), hour(1, 3))).toEqual([27, 28, 29, 51, 52, 53]);
    expect(rates([5, null, 0, 5])).toEqual([0, 5]);
  });
});
