/** What the owner types into the settings, checked before it is sent. The box checks again. */
import { typed } from './quantity';

/** Relays wanted, at least and at most. */
export const LEAST_RELAYS = 1;
export const MOST_RELAYS = 50;

/** The most of the quota that is kept for new releases, per cent. */
export const MOST_RESERVE = 90;

/** Characters in the box's name. */
export const LONGEST_NAME = 40;

/** A whole number in range; otherwise nothing. */
export function readWhole(written: string, least: number, most: number): number | undefined {
  const text = written.trim();
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const wanted = Number(text);
  return wanted >= least && wanted <= most ? wanted : undefined;
}

/** The number of others to wait for. */
export function readRelays(written: string): number | undefined {
  return readWhole(written, LEAST_RELAYS, MOST_RELAYS);
}

/** The addresses in a text, one a line, each once. */
export function trackerLines(typed: string): string[] {
  const lines = typed.split(/\s+/).filter(Boolean);
  return [...new Set(lines)];
}

/** The first line that is no tracker's address; none when all are. */
export function badTracker(lines: readonly string[]): string | undefined {
  return lines.find((line) => {
    if (!/^(https?|udp):\/\//i.test(line)) return true;
    // The URL standard knows hosts and ports of its own schemes only.
    return !URL.canParse(line.replace(/^udp:/i, 'http:'));
  });
}

/** Whether this is a host name or an IP address, with or without a port. */
export function isHost(text: string): boolean {
  if (/[/?#@\s\\]/.test(text)) return false;
  return URL.canParse(`http://${text}/`) || URL.canParse(`http://[${text}]/`);
}

/** The least quota of a month, in GB, and bytes in one. */
export const LEAST_QUOTA = 1;
const GB = 1e9;

/** A stored quota as the field shows it, in GB. */
export function showQuota(quota: number | null | undefined): string {
  return quota === null || quota === undefined ? '' : typed(quota / GB);
}

/** The typed quota in bytes: `null` when the field is empty, `undefined` when it is no quota. A comma is a decimal point too. */
export function readQuota(written: string): number | null | undefined {
  const text = written.trim().replace(',', '.');
  if (text === '') return null;
  if (!/^\d+(\.\d*)?$/.test(text)) return undefined;
  const quota = Math.round(Number(text) * GB);
  return quota >= LEAST_QUOTA * GB && Number.isSafeInteger(quota) ? quota : undefined;
}

/** A day of the month; otherwise nothing. */
export function readDay(written: string): number | undefined {
  return readWhole(written, 1, 31);
}

/** Characters in the title and the description of the public page. */
export const MOST_TITLE = 80;
export const MOST_DESCRIPTION = 500;

/** Whether a text has more characters than that; as the box counts them, by code points. */
export function isLonger(text: string, most: number): boolean {
  return Array.from(text.trim()).length > most;
}

/** Whether somebody can be reached by it: a mail address, or a page on the web. */
export function isContact(text: string): boolean {
  if (/\s/.test(text) || text.length > 254) return false;
  if (text.includes('://')) return /^https?:\/\//i.test(text) && URL.canParse(text);
  return /^[^@"<>()[\]\\,;:]+@[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(text);
}
