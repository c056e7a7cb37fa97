/** Windows of the schedule in words: "Mon–Fri, 08:00–18:00: 125 kB/s". */
import type { ScheduleWindow, Weekday } from '../api/types';
import { locale, t } from '../i18n';
import { times } from './intl';
import { rate } from './quantity';
import { DAYS } from './week';

/** A Monday, whatever the year. */
const MONDAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;

/** A day of the week in the reader's language, short or whole. */
export function dayName(day: number, length: 'short' | 'long' = 'short'): string {
  return times({ weekday: length, timeZone: 'UTC' }).format(MONDAY + day * DAY_MS);
}

/** A minute of the day as a clock shows it; the last one is `24:00`. */
export function clock(minute: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** Days as people say them: three and more in a row are a range. */
export function dayWords(days: readonly Weekday[]): string {
  if (days.length === DAYS.length) return t.schedule.daily;
  const places = days.map((day) => DAYS.indexOf(day)).sort((a, b) => a - b);
  const rows: number[][] = [];
  for (const place of places) {
    const row = rows.at(-1);
    if (row && place === (row.at(-1) ?? NaN) + 1) row.push(place);
    else rows.push([place]);
  }
  const words = rows.flatMap((row) => {
    const [first = 0, last = 0] = [row[0], row.at(-1)];
    return row.length > 2 ? [`${dayName(first)}–${dayName(last)}`] : row.map((day) => dayName(day));
  });
  return new Intl.ListFormat(locale, { type: 'conjunction', style: 'narrow' }).format(words);
}

/** What may leave, in words. */
export function levelWords(level: number | null): string {
  if (level === null) return t.schedule.free;
  return level === 0 ? t.schedule.nothing : t.schedule.upTo(rate(level));
}

/** Each window as a line. */
export function inWords(windows: readonly ScheduleWindow[]): string[] {
  const lines = windows.map(({ days, from, to, rate: level }) => {
    const span = from === 0 && to === 1440 ? t.schedule.allDay : `${clock(from)}–${clock(to)}`;
    return t.schedule.line(dayWords(days), span, levelWords(level));
  });
  return [...new Set(lines)];
}
