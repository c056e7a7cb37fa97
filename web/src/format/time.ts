/** Points in time and spans as people read them. */
import { t } from '../i18n';
import { times } from './intl';

const SECONDS_PER_DAY = 86_400;

/** `14:02` on the same day, `21 Nov, 14:02` within the year, with the year before. Unix seconds. */
export function moment(at: number, now: number): string {
  const then = new Date(at * 1000);
  const today = new Date(now * 1000);
  const clock: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' };
  if (then.toDateString() === today.toDateString()) return times(clock).format(then);
  const day: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short' };
  if (then.getFullYear() !== today.getFullYear()) day.year = 'numeric';
  return times({ ...day, ...clock }).format(then);
}

/** The same with date, year and seconds, for a title and for `datetime`. */
export function exact(at: number): string {
  return times({ dateStyle: 'full', timeStyle: 'medium' }).format(at * 1000);
}

/** Times along a plot's edge that are `step` seconds apart: as short as tells them apart. */
export function axisTime(at: readonly number[], step: number): string[] {
  const form: Intl.DateTimeFormatOptions =
    step >= SECONDS_PER_DAY
      ? { day: 'numeric', month: 'short' }
      : { hour: '2-digit', minute: '2-digit', ...(step < 60 ? { second: '2-digit' } : {}) };
  const format = times(form);
  return at.map((time) => format.format(time * 1000));
}

/** ISO 8601, for the `datetime` attribute. */
export function iso(at: number): string {
  return new Date(at * 1000).toISOString();
}

/** A span in one or two units, rounded up: what is left is never understated. Seconds. */
export function span(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds <= 90) return t.units.seconds(Math.max(1, Math.ceil(seconds)));
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return t.units.minutes(minutes);
  if (seconds < 2 * SECONDS_PER_DAY) return t.units.hours(Math.floor(minutes / 60), minutes % 60);
  return t.units.days(Math.ceil(seconds / SECONDS_PER_DAY));
}
