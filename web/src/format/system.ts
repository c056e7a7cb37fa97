/** What is made of how the whole system is. */
import type { SystemView } from '../api/types';

/** How often it is asked for, in milliseconds: while something happens to it, and else. */
export const BUSY_MS = 1_000;
export const CALM_MS = 5_000;

/** How long until it is asked for again, in milliseconds; 0 where there is no whole system. */
export function pace(system: SystemView | undefined): number {
  if (!system?.available) return 0;
  const { update, last, wifi } = system;
  const isJoining = Boolean(wifi?.network) && !wifi?.connected;
  const isMoving = ['receiving', 'checking', 'installing'].includes(update.state);
  return isMoving || isJoining || last?.outcome === 'trying' ? BUSY_MS : CALM_MS;
}

/** A share as a screen reader is told of it while it grows: in quarters, per cent. */
export function quarters(share: number): number {
  return Math.floor(share * 4) * 25;
}
