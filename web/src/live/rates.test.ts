import { expect, it } from 'vitest';

import { MOST_HEARD, hear, joined, latest, type Points } from './rates';

const none: Points = { at: [], rate: [] };

it('goes on where the memory of the box ends', () => {
  const remembered = { at: [10, 15, 20], rate: [1, 2, 3] };
  const heard = { at: [18, 20, 21, 22], rate: [9, 9, 4, 5] };
  expect(joined(remembered, heard)).toEqual({ at: [10, 15, 20, 21, 22], rate: [1, 2, 3, 4, 5] });
  expect(joined(none, heard)).toEqual(heard);
  expect(joined(remembered, none)).toEqual(remembered);
});

it('keeps one point a moment, so many at most, and begins anew when the clock goes back', () => {
  let points = none;
  for (let at = 1; at <= MOST_HEARD + 5; at += 1) points = hear(points, at, at);
  points = hear(points, MOST_HEARD + 5, 7);
  expect(points.at.length).toBe(MOST_HEARD);
  expect([points.at[0], points.at.at(-1), points.rate.at(-1)]).toEqual([6, MOST_HEARD + 5, 7]);
  expect(hear(points, 3, 1)).toEqual({ at: [3], rate: [1] });
});

it('cuts to the last minutes, and keeps the point before them', () => {
  const points = { at: [1, 50, 100, 110], rate: [1, 2, 3, 4] };
  expect(latest(points, 20)).toEqual({ at: [50, 100, 110], rate: [2, 3, 4] });
  expect(latest(points, 1000)).toEqual(points);
  expect(latest(none, 10)).toEqual(none);
});
