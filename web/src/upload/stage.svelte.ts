/** What was chosen and is not under way yet: loose files wait for one question. */
import type { Bundle, Selection } from './pick';
import type { UploadQueue } from './queue.svelte';

export class Staging {
  /** Loose files that need an answer: together, or apart. */
  loose = $state.raw<Bundle[]>([]);
  reading = $state(false);
  leftOut = $state(0);
  unreadable = $state(false);
  nothing = $state(false);

  constructor(private readonly queue: UploadQueue) {}

  /** Folders, and a file that came alone, go at once; several loose files are asked about. */
  async take(selection: Selection | Promise<Selection>): Promise<void> {
    this.reading = true;
    const { bundles, leftOut, unreadable } = await selection;
    this.reading = false;
    this.leftOut = leftOut;
    this.unreadable = unreadable;
    this.nothing = bundles.length === 0 && !unreadable;
    const singles = bundles.filter(({ single }) => single);
    const ask = singles.length > 1;
    if (ask) this.loose = [...this.loose, ...singles];
    this.queue.add(bundles.filter(({ single }) => !(ask && single)));
  }

  /** The answer: these releases. */
  settle(bundles: readonly Bundle[]): void {
    this.loose = [];
    this.queue.add(bundles);
  }
}
