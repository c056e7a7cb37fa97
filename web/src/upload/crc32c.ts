/**
 * CRC-32C, the digest that a chunk is sent with (RFC 9530): the browser's own, better ones are not there on plain HTTP, and what
 * is to be found is damage, not somebody who means it.
 */

/** The polynomial 0x1EDC6F41 (RFC 3720), its bits in reverse. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? POLYNOMIAL ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

export function crc32c(bytes: Uint8Array): number {
  let rest = -1;
  for (const byte of bytes) rest = (TABLE[(rest ^ byte) & 0xff] ?? 0) ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** The value of a `Content-Digest`. */
export function digestOf(bytes: Uint8Array): string {
  const crc = crc32c(bytes);
  return `crc32c=:${btoa(String.fromCharCode(crc >>> 24, (crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255))}:`;
}
