/** Where a plot's lines and words stand. Pure: numbers in, numbers out. */

/** Steps that a clock is read by, in seconds. */
const TIME_STEPS = [
  1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
];

/** The smallest of 1, 2 or 5 times a power of ten that is not below `least`. */
export function roundStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((factor) => factor * power >= least) ?? 10) * power;
}

/** Values along the side from zero on, at most `most` steps of them; the last is not below `top`. */
export function valueTicks(top: number, most: number): number[] {
  const step = roundStep(top / most);
  const count = Math.max(1, Math.ceil(top / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, place) => place * step);
}

/** Times along the edge, at most so many, at whole steps of a clock that is `offset` seconds ahead of UTC. */
export function timeTicks(
  from: number,
  to: number,
  most: number,
  offset: number,
): { step: number; at: number[] } {
  const step = TIME_STEPS.find((one) => (to - from) / one <= most) ?? Math.ceil((to - from) / most);
  const first = Math.ceil((from + offset) / step) * step - offset;
  const at: number[] = [];
  for (let time = first; time <= to && at.length <= most; time += step) at.push(time);
  return { step, at };
}

/** Seconds by which the reader's clock is ahead of UTC at a time. */
export function clockOffset(at: number): number {
  return -new Date(at * 1000).getTimezoneOffset() * 60;
}

/** The path of a line through the points; `x` and `y` say where a time and a value stand. */
export function path(
  at: readonly number[],
  values: readonly number[],
  x: (time: number) => number,
  y: (value: number) => number,
): string {
  const tenth = (pixels: number): number => Math.round(pixels * 10) / 10;
  return at
    .map((time, place) => `${place === 0 ? 'M' : 'L'}${tenth(x(time))} ${tenth(y(values[place] ?? 0))}`)
    .join('');
}

/** The place of the point nearest to a time, of times that rise; -1 where there is none. */
export function nearest(at: readonly number[], time: number): number {
  let [low, high] = [0, at.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  const before = at[low - 1];
  return before !== undefined && time - before < (at[low] ?? Infinity) - time
    ? low - 1
    : low < at.length
      ? low
      : -1;
}
