/** What the owner types of a Wi-Fi, checked before it is sent. The box checks again. */

/** Bytes in a network's name, at most (IEEE 802.11). */
const LONGEST_NAME = 32;

/** A passphrase of WPA: printable ASCII. Empty is a network without one. */
const PASSWORD = /^(?:[ -~]{8,63})?$/;

/** What can be wrong. */
export type WrongWifi = 'network' | 'password' | 'country';

/** A Wi-Fi as it is typed. */
export type TypedWifi = Record<WrongWifi, string>;

/** What is wrong with it; nothing when it may be sent. */
export function wrongIn({ network, password, country }: TypedWifi): WrongWifi[] {
  const bytes = new TextEncoder().encode(network).length;
  const wrong: WrongWifi[] = [];
  if (bytes < 1 || bytes > LONGEST_NAME) wrong.push('network');
  if (!PASSWORD.test(password)) wrong.push('password');
  if (!/^(?:[a-z]{2})?$/i.test(country.trim())) wrong.push('country');
  return wrong;
}
