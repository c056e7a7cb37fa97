/** Uploads begun and not finished, so that choosing the same files again goes on where they stopped. */
import type { Bundle } from './pick';

/** As many are remembered; the oldest is forgotten first. */
const REMEMBERED = 20;

const KEY = 'semoir.uploads';

export type Shelf = Pick<Storage, 'getItem' | 'setItem'>;

/** What two choices of the same files have in common: name, paths, sizes, times of change. */
export function fingerprint({ name, files }: Bundle): string {
  const text = JSON.stringify([name, ...files.map(({ path, file }) => [path, file.size, file.lastModified])]);
  // FNV-1a twice over, from both ends: a mistaken match is refused by the sizes anyway.
  let forth = 0x811c9dc5;
  let back = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    forth = Math.imul(forth ^ text.charCodeAt(at), 0x01000193);
    back = Math.imul(back ^ text.charCodeAt(text.length - 1 - at), 0x01000193);
  }
  return `${text.length}.${(forth >>> 0).toString(36)}.${(back >>> 0).toString(36)}`;
}

export class UploadMemory {
  constructor(private readonly shelf: Shelf | undefined) {}

  recall(print: string): string | undefined {
    return this.read().find(([known]) => known === print)?.[1];
  }

  remember(print: string, id: string | number): void {
    this.write([...this.read().filter(([known]) => known !== print), [print, String(id)]]);
  }

  forget(print: string): void {
    this.write(this.read().filter(([known]) => known !== print));
  }

  private read(): [string, string][] {
    try {
      const kept: unknown = JSON.parse(this.shelf?.getItem(KEY) ?? '[]');
      if (!Array.isArray(kept)) return [];
      return kept.filter(
        (pair): pair is [string, string] =>
          Array.isArray(pair) && pair.every((part) => typeof part === 'string'),
      );
    } catch {
      return [];
    }
  }

  private write(pairs: [string, string][]): void {
    try {
      this.shelf?.setItem(KEY, JSON.stringify(pairs.slice(-REMEMBERED)));
    } catch {
      // A full or forbidden storage costs only the going on after a reload.
    }
  }
}
