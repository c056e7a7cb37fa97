/** The rate over time, from what the box remembers and what the page hears since. */

/** Points kept of what is heard: twenty minutes of one a second. */
export const MOST_HEARD = 1200;

export interface Points {
  /** Seconds since 1970, rising. */
  at: number[];
  /** Bytes per second. */
  rate: number[];
}

/** Remembered points, and those heard after them. */
export function joined(remembered: Readonly<Points>, heard: Readonly<Points>): Points {
  const last = remembered.at.at(-1) ?? -Infinity;
  const first = heard.at.findIndex((at) => at > last);
  if (first < 0) return { at: [...remembered.at], rate: [...remembered.rate] };
  return {
    at: [...remembered.at, ...heard.at.slice(first)],
    rate: [...remembered.rate, ...heard.rate.slice(first)],
  };
}

/** One more that was heard; the oldest are dropped. A clock that was set back begins anew. */
export function hear(points: Readonly<Points>, at: number, rate: number): Points {
  const last = points.at.at(-1) ?? -Infinity;
  if (at < last) return { at: [at], rate: [rate] };
  const keep = at === last ? -1 : points.at.length;
  return {
    at: [...points.at.slice(0, keep), at].slice(-MOST_HEARD),
    rate: [...points.rate.slice(0, keep), rate].slice(-MOST_HEARD),
  };
}

/** Those within the last `seconds`, and one before them, so that the line reaches the edge. */
export function latest({ at, rate }: Readonly<Points>, seconds: number): Points {
  const from = (at.at(-1) ?? 0) - seconds;
  const first = Math.max(0, at.findIndex((one) => one >= from) - 1);
  return { at: at.slice(first), rate: rate.slice(first) };
}
