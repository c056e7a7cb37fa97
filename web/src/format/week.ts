/**
 * The schedule as a week of hours to paint on, and back.
 *
 * The box keeps windows: some days, from a minute to a minute, a rate. Where windows overlap the smallest rate counts, so
 * a week of hours says the same as any windows whose edges are whole hours.
 */
import type { ScheduleWindow, Weekday } from '../api/types';

/** The days as the box calls them, Monday first. */
export const DAYS: readonly Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Hours in a day. */
export const HOURS = 24;

/** Windows that the box takes. */
export const MOST_WINDOWS = 50;

/** What may leave in an hour: bytes per second, 0 for nothing, `null` where the schedule says nothing. */
export type Level = number | null;

/** The hours of a week, Monday's first. */
export type Week = readonly Level[];

/** A week without a word. */
export function emptyWeek(): Level[] {
  return Array<Level>(DAYS.length * HOURS).fill(null);
}

/** The hours that these windows cover, and whether they say no more than whole hours can. An hour of which a part is covered counts as covered: less is sent rather than more. */
export function toWeek(windows: readonly ScheduleWindow[]): { week: Level[]; exact: boolean } {
  const week = emptyWeek();
  let exact = true;
  for (const { days, from, to, rate } of windows) {
    if (from % 60 !== 0 || to % 60 !== 0) exact = false;
    const end = to > from ? to : to + HOURS * 60;
    for (const day of days) {
      const first = DAYS.indexOf(day) * HOURS;
      for (let hour = Math.floor(from / 60); hour < Math.ceil(end / 60); hour += 1) {
        // What begins on Sunday night ends on Monday.
        const place = (first + hour) % week.length;
        const level = week[place] ?? null;
        week[place] = level === null ? rate : Math.min(level, rate);
      }
    }
  }
  return { week, exact };
}

interface Run {
  day: number;
  from: number;
  to: number;
  rate: number;
}

/** The stretches of one level within each day, by day and hour. */
function runs(week: Week): Run[] {
  const found: Run[] = [];
  for (let place = 0; place < week.length; place += 1) {
    const rate = week[place] ?? null;
    if (rate === null) continue;
    const day = Math.floor(place / HOURS);
    const hour = place % HOURS;
    const last = found.at(-1);
    if (last?.day === day && last.to === hour && last.rate === rate) last.to = hour + 1;
    else found.push({ day, from: hour, to: hour + 1, rate });
  }
  return found;
}

/** The windows that say what the week says, as few as there can be without overlap. */
export function fromWeek(week: Week): ScheduleWindow[] {
  const all = runs(week);
  // A night is one window, if it is no longer than a day.
  const taken = new Set<Run>();
  const nights = new Map<Run, Run>();
  for (const evening of all.filter(({ to }) => to === HOURS)) {
    const next = (evening.day + 1) % DAYS.length;
    const morning = all.find(({ day, from, rate }) => day === next && from === 0 && rate === evening.rate);
    if (morning && morning.to < evening.from) {
      nights.set(evening, morning);
      taken.add(morning);
    }
  }
  const windows = new Map<string, ScheduleWindow>();
  for (const run of all) {
    if (taken.has(run)) continue;
    const to = (nights.get(run)?.to ?? run.to) * 60;
    const from = run.from * 60;
    const key = `${from} ${to} ${run.rate}`;
    const day = DAYS[run.day] ?? 'mon';
    const window = windows.get(key);
    if (window) window.days.push(day);
    else windows.set(key, { days: [day], from, to, rate: run.rate });
  }
  return [...windows.values()].sort((a, b) => a.from - b.from || a.rate - b.rate);
}

/** A rectangle of the week, from one place to another, both within. Nights are not wrapped: what is seen is what is painted. */
export function rectangle(from: number, to: number): number[] {
  const [days, hours] = [
    [Math.floor(from / HOURS), Math.floor(to / HOURS)],
    [from % HOURS, to % HOURS],
  ] as const;
  const places: number[] = [];
  for (let day = Math.min(...days); day <= Math.max(...days); day += 1) {
    for (let hour = Math.min(...hours); hour <= Math.max(...hours); hour += 1)
      places.push(day * HOURS + hour);
  }
  return places;
}

/** The different rates of a week, smallest first. */
export function rates(week: Week): number[] {
  const some = week.filter((level): level is number => level !== null);
  return [...new Set(some)].sort((a, b) => a - b);
}
