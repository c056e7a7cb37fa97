/** The upstream limit as the owner types it: a number and a unit. */
import { t } from '../i18n';
import { typed } from './quantity';

/** Bytes per second in one of each unit. Lines are sold in Mbit/s, so that comes first. */
export const capUnits = { mbit: 125_000, mb: 1_000_000, kb: 1_000 } as const;

export type CapUnit = keyof typeof capUnits;

/** Every unit with its word. */
export function unitWords(): [CapUnit, string][] {
  return [
    ['mbit', t.units.mbit],
    ['mb', t.units.mb],
    ['kb', t.units.kb],
  ];
}

/** A stored limit as the field shows it: in the first unit that needs at most two decimals. */
export function showCap(cap: number | null | undefined): { value: string; unit: CapUnit } {
  if (cap === null || cap === undefined) return { value: '', unit: 'mbit' };
  for (const unit of ['mbit', 'mb', 'kb'] as const) {
    // In whole numbers: 1.1 * 100 is not 110 to a computer.
    if ((cap * 100) % capUnits[unit] === 0 || unit === 'kb')
      return { value: typed(cap / capUnits[unit]), unit };
  }
  return { value: '', unit: 'mbit' };
}

/** The typed limit in bytes per second: `null` when the field is empty, `undefined` when it is no number above zero. A comma is a decimal point too. */
export function readCap(written: string, unit: CapUnit): number | null | undefined {
  const text = written.trim().replace(',', '.');
  if (text === '') return null;
  if (!/^\d+(\.\d*)?$|^\.\d+$/.test(text)) return undefined;
  const cap = Math.round(Number(text) * capUnits[unit]);
  return cap > 0 && Number.isSafeInteger(cap) ? cap : undefined;
}
