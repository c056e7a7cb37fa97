/** What every view shares: the box, the uploads, the view in front. One page, one of each. */
import { untrack } from 'svelte';
import { explain } from './api/errors';
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

/** Something of the box that a part of the page shows. */
export class Reading<T> {
  /** As it was last read. */
  now = $state.raw<T>();
  /** Why it could not be read; empty when it could. */
  fault = $state('');

  /** Read at once, and whenever it may have changed. Made while a component is made. */
  constructor(private readonly ask: () => Promise<T>) {
    follow(() => void this.load());
  }

  async load(): Promise<void> {
    try {
      this.now = await this.ask();
      this.fault = '';
    } catch (error) {
      this.fault = explain(error);
    }
  }
}

/** The browser's storage, where it is allowed. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
