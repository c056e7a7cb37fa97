/** What every view shares: the box, the uploads, the view in front. One page, one of each. */
import { untrack } from 'svelte';
import { Box } from './live/box.svelte';
import { parse, type Route } from './route';
import { UploadMemory } from './upload/memory';
import { UploadQueue } from './upload/queue.svelte';
import { Staging } from './upload/stage.svelte';

export const box = new Box();

export const uploads = new UploadQueue(box.client, new UploadMemory(storage()));

export const staging = new Staging(uploads);

class Front {
  route = $state.raw<Route>(parse(location.hash));
}

export const front = new Front();

/**
 * Runs `look` at once, and again whenever settings, sessions or tokens may have changed: on another page, or while the
 * line was down. Called while a component is made.
 */
export function follow(look: () => void): void {
  $effect(() => {
    if (box.changes >= 0) untrack(look);
  });
}

/** The browser's storage, where it is allowed. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
