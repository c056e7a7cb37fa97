/** The setup code, `XXXX-XXXX`. */

/** Characters in a code, the dash left out. */
export const CODE_LENGTH = 8;

/** What was typed or pasted, as the code is written: capitals, and a dash after the fourth. */
export function formatCode(typed: string): string {
  const plain = typed
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '')
    .slice(0, CODE_LENGTH);
  return plain.length > 4 ? `${plain.slice(0, 4)}-${plain.slice(4)}` : plain;
}

/** Whether a formatted code has all its characters. */
export function isWhole(code: string): boolean {
  return code.length === CODE_LENGTH + 1;
}

/** Where the caret belongs after formatting: behind as many code characters as it was behind before. */
export function caretAfter(typed: string, caret: number, formatted: string): number {
  const before = typed.slice(0, caret).replace(/[^A-Za-z0-9]/g, '').length;
  return Math.min(formatted.length, before > 4 ? before + 1 : before);
}
