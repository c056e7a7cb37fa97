/** Every upload of this page. One is sent at a time: two would only share the same line. */
import type { Client } from '../api/client';
import { UploadJob } from './job.svelte';
import type { UploadMemory } from './memory';
import type { Bundle } from './pick';

export class UploadQueue {
  jobs = $state.raw<UploadJob[]>([]);
  private running = false;

  constructor(
    private readonly client: Client,
    private readonly memory: UploadMemory,
    private readonly chunkBytes?: number,
  ) {}

  /** Those that are not settled. */
  get active(): UploadJob[] {
    return this.jobs.filter((job) => !job.settled);
  }

  /** How much of the active ones is sent, from 0 to 1. */
  get share(): number {
    const active = this.active;
    const total = active.reduce((sum, job) => sum + job.total, 0);
    return total > 0 ? active.reduce((sum, job) => sum + job.sent, 0) / total : 0;
  }

  /** Bytes of those that wait for their turn, for which the box keeps no room yet. */
  get waiting(): number {
    const waiting = this.jobs.filter(({ state }) => state === 'waiting');
    return waiting.reduce((sum, { total }) => sum + total, 0);
  }

  add(bundles: readonly Bundle[]): void {
    const jobs = bundles.map(
      (bundle) => new UploadJob(bundle, this.client, this.memory, undefined, this.chunkBytes),
    );
    this.jobs = [...this.jobs, ...jobs];
    void this.work();
  }

  /** Tries a failed one again, perhaps under another name. */
  retry(job: UploadJob, name = job.name): void {
    job.name = name;
    job.state = 'waiting';
    void this.work();
  }

  dismiss(job: UploadJob): void {
    this.jobs = this.jobs.filter((other) => other !== job);
  }

  hurry(): void {
    for (const job of this.jobs) job.hurry();
  }

  private async work(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (;;) {
      const next = this.jobs.find((job) => job.state === 'waiting');
      if (!next) break;
      await next.run();
    }
    this.running = false;
  }
}
