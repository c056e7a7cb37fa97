/** One upload: begun, sent in chunks, gone on after a loss, finished. */
import type { Client } from '../api/client';
import { DISK_TIMEOUT_MS, receivedOf } from '../api/client';
import { Refused, Unreachable, explain } from '../api/errors';
import type { Upload } from '../api/types';
import { t } from '../i18n';
import { digestOf } from './crc32c';
import type { UploadMemory } from './memory';
import { fingerprint } from './memory';
import type { Bundle } from './pick';

/** Bytes in one chunk: what is sent again at most after a loss, and how finely progress moves. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

/** The first wait after a loss, in milliseconds; it doubles up to the longest. */
export const FIRST_RETRY_MS = 500;

/** The longest wait, in milliseconds. */
export const LONGEST_RETRY_MS = 15_000;

/**
 * Conflicts in a row, without one byte of progress, after which the box and the page do not understand each other. With the waits
 * between them that is two minutes; the box lets go of a request that died after one.
 */
const CONFLICT_LIMIT = 12;

/** Weight of the newest chunk in the smoothed rate: the last dozen chunks count. */
const RATE_WEIGHT = 0.15;

export type JobState = 'waiting' | 'sending' | 'lost' | 'finishing' | 'done' | 'failed' | 'cancelled';

export class UploadJob {
  state = $state<JobState>('waiting');
  name = $state('');
  /** Bytes that the box has. */
  sent = $state(0);
  /** Bytes per second, smoothed; 0 until known. */
  rate = $state(0);
  /** Why it failed, as a sentence. */
  fault = $state('');
  /** Whether another name would help. */
  nameTaken = $state(false);

  readonly total: number;
  private readonly abort = new AbortController();
  /** What the request that begins it is called. Not for a secure context alone, which the box's page is not. */
  private readonly key = crypto.getRandomValues(new Uint32Array(4)).join('-');
  private upload: Upload | undefined;
  private wake: (() => void) | undefined;

  constructor(
    private readonly bundle: Bundle,
    private readonly client: Client,
    private readonly memory: UploadMemory,
    private readonly clock: () => number = () => performance.now(),
    private readonly chunkBytes = CHUNK_BYTES,
  ) {
    this.name = bundle.name;
    this.total = bundle.files.reduce((sum, { file }) => sum + file.size, 0);
  }

  /** Whether nothing more happens by itself. */
  get settled(): boolean {
    return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled';
  }

  /** Sends all of it. Never throws: how it ended is in `state`. */
  async run(): Promise<void> {
    if (this.abort.signal.aborted) return;
    this.fault = '';
    this.nameTaken = false;
    this.state = 'sending';
    try {
      const upload = (this.upload ??= await this.persist(() => this.begin()));
      for (const [index, { path }] of this.bundle.files.entries()) await this.sendFile(upload, index, path);
      this.state = 'finishing';
      await this.finish(upload);
      this.memory.forget(this.print);
      this.state = 'done';
    } catch (error) {
      if (this.isCancelled()) return;
      this.fault = error instanceof DOMException ? t.errors.unexpected : explain(error);
      if (error instanceof Changed) this.fault = t.upload.changed(error.path);
      this.nameTaken =
        error instanceof Refused && [409, 422].includes(error.status) && this.upload === undefined;
      if (error instanceof Refused && error.status === 404) this.lose();
      this.state = 'failed';
    }
  }

  /** Goes on at once instead of waiting. */
  hurry(): void {
    this.wake?.();
  }

  /** Gives it up, here and on the box. */
  async cancel(): Promise<void> {
    this.abort.abort();
    this.wake?.();
    this.state = 'cancelled';
    const upload = this.upload;
    this.lose();
    if (upload) {
      // A box that does not hear this forgets the rest of an upload by itself.
      await this.client
        .call('delete', '/api/v1/uploads/{id}', { path: { id: upload.id } })
        .catch(() => undefined);
    }
  }

  /** A question, so that the compiler does not take an earlier answer for the present one. */
  private isCancelled(): boolean {
    return this.abort.signal.aborted;
  }

  private get print(): string {
    return fingerprint({ ...this.bundle, name: this.name });
  }

  /** Finds the upload begun before a reload, or begins one. */
  private async begin(): Promise<Upload> {
    const known = this.memory.recall(this.print);
    if (known !== undefined) {
      const upload = await this.resume(known);
      if (upload) return upload;
      this.memory.forget(this.print);
    }
    const files = this.bundle.files.map(({ path, file }) => ({
      path: this.bundle.single ? this.name : path,
      size: file.size,
    }));
    const body = { name: this.name, files };
    const upload = await this.client.call('post', '/api/v1/uploads', {
      body,
      key: this.key,
      signal: this.abort.signal,
    });
    this.memory.remember(this.print, upload.id);
    return upload;
  }

  private async resume(known: string): Promise<Upload | undefined> {
    try {
      const upload = await this.ask(known);
      const same = this.bundle.files.every(({ file }, index) => upload.files[index]?.size === file.size);
      return same && upload.files.length === this.bundle.files.length ? upload : undefined;
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  }

  /** How far it is. */
  private ask(id: string): Promise<Upload> {
    return this.client.call('get', '/api/v1/uploads/{id}', { path: { id }, signal: this.abort.signal });
  }

  private async sendFile(upload: Upload, index: number, path: string): Promise<void> {
    const picked = this.bundle.files[index];
    const remote = upload.files[index];
    if (!picked || !remote) throw new Changed(path);
    const { file } = picked;
    let conflicts = 0;
    let lost = false;
    this.count(upload);
    while (remote.received < file.size) {
      const offset = remote.received;
      const end = Math.min(offset + this.chunkBytes, file.size);
      const started = this.clock();
      try {
        remote.received = await this.persist(async () => {
          if (lost) {
            // Perhaps it was the answer alone; and a browser may never see the one that says so while it is sending.
            const now = await this.ask(upload.id);
            lost = false;
            const received = now.files[index]?.received ?? offset;
            if (received !== offset) return received;
          }
          const chunk = await this.read(file, path, offset, end);
          try {
            return await this.client.putChunk(
              upload.id,
              index,
              offset,
              chunk,
              digestOf(chunk),
              this.abort.signal,
            );
          } catch (error) {
            lost = error instanceof Unreachable;
            throw error;
          }
        }, isPassingForChunk);
        conflicts = 0;
        this.measure(end - offset, this.clock() - started);
      } catch (error) {
        // The answer to the chunk before was lost on the way: the box says how much it has.
        const received =
          error instanceof Refused && error.status === 409 ? receivedOf(error.body) : undefined;
        if (received === undefined || received > file.size) throw error;
        remote.received = received;
        if (received === offset) {
          // It has just that: a request that died on the way still holds the file, or the bytes were damaged.
          conflicts += 1;
          if (conflicts >= CONFLICT_LIMIT) throw error;
          await this.waitOut(conflicts);
        }
      }
      this.count(upload);
    }
  }

  /** The bytes themselves, read before they are sent: a file that went away must not look like a lost line. */
  private async read(file: File, path: string, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return new Uint8Array(await file.slice(start, end).arrayBuffer());
    } catch {
      throw new Changed(path);
    }
  }

  private async finish(upload: Upload): Promise<void> {
    let asked = 0;
    await this.persist(async () => {
      asked += 1;
      try {
        await this.client.call('post', '/api/v1/uploads/{id}/finish', {
          path: { id: upload.id },
          // A card takes its time with gigabytes.
          patience: DISK_TIMEOUT_MS,
          signal: this.abort.signal,
        });
      } catch (error) {
        // The first answer was lost: the box has finished, and knows the upload no longer.
        if (asked > 1 && error instanceof Refused && error.status === 404) return;
        throw error;
      }
    });
  }

  /** Tries until the box answers, one way or the other. */
  private async persist<T>(attempt: () => Promise<T>, passes = isPassing): Promise<T> {
    const resumed = this.state;
    let wait = FIRST_RETRY_MS;
    for (;;) {
      this.abort.signal.throwIfAborted();
      try {
        const result = await attempt();
        this.abort.signal.throwIfAborted();
        this.state = resumed;
        this.fault = '';
        return result;
      } catch (error) {
        if (!passes(error)) {
          if (!this.abort.signal.aborted) this.state = resumed;
          throw error;
        }
        this.state = 'lost';
        this.rate = 0;
        // A box that answers says itself what is waited for: the upload's drive, mostly.
        this.fault = error instanceof Refused ? explain(error) : '';
        await this.pause(wait);
        wait = Math.min(wait * 2, LONGEST_RETRY_MS);
      }
    }
  }

  /** Lets a request that died be noticed by the box. */
  private async waitOut(conflicts: number): Promise<void> {
    this.state = 'lost';
    this.rate = 0;
    await this.pause(Math.min(FIRST_RETRY_MS * 2 ** (conflicts - 1), LONGEST_RETRY_MS));
    this.abort.signal.throwIfAborted();
    this.state = 'sending';
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private count(upload: Upload): void {
    this.sent = upload.files.reduce((sum, { received }) => sum + received, 0);
  }

  private measure(size: number, ms: number): void {
    if (ms <= 0) return;
    const now = (size / ms) * 1000;
    this.rate = this.rate > 0 ? this.rate * (1 - RATE_WEIGHT) + now * RATE_WEIGHT : now;
  }

  private lose(): void {
    this.memory.forget(this.print);
    this.upload = undefined;
    this.sent = 0;
  }
}

/** Whether an error goes away by itself. */
function isPassing(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof Refused && error.status === 503);
}

/** A chunk may also be refused because too many are on their way at once. */
function isPassingForChunk(error: unknown): boolean {
  return isPassing(error) || (error instanceof Refused && error.status === 429);
}

/** A file that cannot be read any more. */
class Changed extends Error {
  constructor(readonly path: string) {
    super(path);
  }
}
