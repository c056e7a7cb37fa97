/** Bytes, rates, copies and counts as people read them. Decimal units, as on a drive's label. */
import { t } from '../i18n';
import { numbers } from './intl';

/** Three digits that mean something: 999 B, 1.25 MB, 43.7 GB. */
export function bytes(count: number): string {
  if (!Number.isFinite(count) || count < 0) return '–';
  const units = t.units.sizes.split(' ');
  let step = 0;
  let value = count;
  // 999.5 would round to a thousand of its unit, so it belongs to the next.
  while (value >= 999.5 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return t.units.sized(number(value, digits), units[step] ?? '');
}

/** Bytes per second. */
export function rate(bytesPerSecond: number): string {
  return t.units.perSecond(bytes(bytesPerSecond));
}

/** Copies, always with two decimals: the headline figure must not jump in width. */
export function copies(count: number): string {
  return Number.isFinite(count) && count >= 0 ? number(count, 2, 2) : '–';
}

/** Copies that are out there, rounded down: 1.00 is said only when all of it is. */
export function copiesOut(count: number): string {
  return copies(Math.floor(count * 100 + 1e-6) / 100);
}

/** A share of one, as a percentage rounded down: 100 % means all of it. */
export function percent(share: number): string {
  const bounded = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
  return t.units.percent(number(Math.floor(bounded * 100 + 1e-9)));
}

/** A number in the reader's language, with at most `digits` decimals. */
export function number(value: number, digits = 0, least = 0): string {
  return numbers({ maximumFractionDigits: digits, minimumFractionDigits: least }).format(value);
}

/** A number as it is typed into a field: the reader's decimal sign, every digit, and nothing between the thousands. */
export function typed(value: number): string {
  return numbers({ useGrouping: false, maximumFractionDigits: 15 }).format(value);
}
