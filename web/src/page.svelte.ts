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

  /**
   * Read at once, whenever it may have changed, and again and again while it is looked at, where `pace` says how often: in
   * milliseconds, 0 for not. Made while a component is made.
   */
  constructor(
    private readonly ask: () => Promise<T>,
    private readonly pace: (now: T | undefined) => number = () => 0,
  ) {
    follow(() => void this.load());
    $effect(() => {
      const { wait } = this;
      if (!wait) return;
      let timer: ReturnType<typeof setTimeout>;
      let over = false;
      const turn = async (): Promise<void> => {
        if (document.visibilityState === 'visible') await this.load();
        if (!over) timer = setTimeout(() => void turn(), wait);
      };
      timer = setTimeout(() => void turn(), wait);
      return () => {
        over = true;
        clearTimeout(timer);
      };
    });
  }

  private readonly wait = $derived.by(() => this.pace(this.now));

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
