/** What the owner wants of one release: its numbers as people write them, and what they are unless set. */
import type { ReleaseSettings, ReleaseSettingsPatch } from '../api/types';
import { typed } from './quantity';
import { readWhole } from './setting';

/** The waits, in seconds unless set; as the box has them. */
export const WAITS = {
  sustain: 300,
  apart: 600,
  fresh: 2700,
  patience: 1800,
  forget: 21_600,
  reach: 600,
  dwell: 1800,
} as const;

/** The counts unless set, and what they may be. */
export const COUNTS = {
  proven: { otherwise: 1, least: 0, most: 50 },
  missed: { otherwise: 3, least: 1, most: 100 },
} as const;

export type Wait = keyof typeof WAITS;
export type Count = keyof typeof COUNTS;

/** The longest wait, in minutes: thirty days. */
export const LONGEST_MINUTES = 30 * 24 * 60;

/** The least budget of a month, in GB: 1 MB. */
export const LEAST_BUDGET = 0.001;

const GB = 1e9;

/** What is typed where nothing is wanted is the empty text. */
export interface Written {
  relays: string;
  keep: Wish;
  generous: Wish;
  budget: string;
  waits: Record<Wait, string>;
  counts: Record<Count, string>;
}

/** As for all, or otherwise. */
export type Wish = '' | 'yes' | 'no';

/** Every field that can be wrong. */
export type Faulty = 'relays' | 'budget' | Wait | Count;

export const waits = Object.keys(WAITS) as Wait[];
export const counts = Object.keys(COUNTS) as Count[];

function wish(value: boolean | null | undefined): Wish {
  if (value === null || value === undefined) return '';
  return value ? 'yes' : 'no';
}

function wanted(value: Wish): boolean | null {
  return value === '' ? null : value === 'yes';
}

/** A decimal number from zero on; nothing where it is none. A comma is a decimal point too. */
function decimal(text: string): number | undefined {
  const plain = text.trim().replace(',', '.');
  return /^\d+(\.\d*)?$/.test(plain) ? Number(plain) : undefined;
}

/** The settings as the form shows them. */
export function write(settings: ReleaseSettings): Written {
  const minutes = (seconds: number | null | undefined): string =>
    seconds === null || seconds === undefined ? '' : typed(seconds / 60);
  const whole = (value: number | null | undefined): string => (value ?? '').toString();
  const { monthly_budget: budget } = settings;
  return {
    relays: whole(settings.relays),
    keep: wish(settings.keep),
    generous: wish(settings.generous),
    budget: budget === null || budget === undefined ? '' : typed(budget / GB),
    waits: Object.fromEntries(waits.map((key) => [key, minutes(settings[key])])) as Record<Wait, string>,
    counts: Object.fromEntries(counts.map((key) => [key, whole(settings[key])])) as Record<Count, string>,
  };
}

/** The form as the box takes it, and which fields are wrong; a wrong one is left out. */
export function read(written: Written, mostRelays: number): { patch: ReleaseSettingsPatch; wrong: Faulty[] } {
  const wrong: Faulty[] = [];
  const patch: ReleaseSettingsPatch = { keep: wanted(written.keep), generous: wanted(written.generous) };
  const take = (
    key: Faulty,
    text: string,
    value: number | undefined,
    put: (value: number | null) => void,
  ): void => {
    if (text.trim() === '') put(null);
    else if (value === undefined) wrong.push(key);
    else put(value);
  };
  take('relays', written.relays, readWhole(written.relays, 1, mostRelays), (value) => (patch.relays = value));
  const budget = decimal(written.budget);
  const bytes = budget === undefined || budget < LEAST_BUDGET ? undefined : Math.round(budget * GB);
  take('budget', written.budget, bytes, (value) => (patch.monthly_budget = value));
  for (const key of waits) {
    const minutes = decimal(written.waits[key]);
    const seconds = minutes === undefined || minutes > LONGEST_MINUTES ? undefined : Math.round(minutes * 60);
    take(key, written.waits[key], seconds, (value) => (patch[key] = value));
  }
  for (const key of counts) {
    const { least, most } = COUNTS[key];
    take(
      key,
      written.counts[key],
      readWhole(written.counts[key], least, most),
      (value) => (patch[key] = value),
    );
  }
  return { patch, wrong };
}
