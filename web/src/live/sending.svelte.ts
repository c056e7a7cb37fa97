/** An update on its way from this page into the box. It goes on while another view is looked at. */
import type { Client } from '../api/client';
import { explain } from '../api/errors';

export class Sending {
  /** Whether one is on its way. */
  busy = $state(false);
  /** Bytes that have left. */
  sent = $state(0);
  /** Bytes in all. */
  total = $state(0);
  /** Why the last one did not get there; empty when it did. */
  fault = $state('');

  private abort = new AbortController();

  constructor(private readonly client: Client) {}

  /** Sends it, and waits for what the box says of it. Never throws: what went wrong is in `fault`. */
  async send(file: Blob): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.sent = 0;
    this.total = file.size;
    this.fault = '';
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      await this.client.putUpdate(
        file,
        (sent) => {
          this.sent = sent;
        },
        signal,
      );
    } catch (error) {
      if (!signal.aborted) this.fault = explain(error);
    } finally {
      this.busy = false;
    }
  }

  /** Gives it up. */
  cancel(): void {
    this.abort.abort();
  }
}
