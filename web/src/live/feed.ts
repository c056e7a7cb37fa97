/** Keeps the live picture coming: fetches it, follows the events, and heals a lost connection. */
import { Refused, Unreachable } from '../api/errors';
import { EventParser } from './sse';

/** The first wait after a loss, in milliseconds; it doubles up to the longest. */
export const FIRST_WAIT_MS = 500;

/** The longest wait between two tries, in milliseconds: a box that boots is seen soon after it is up. */
export const LONGEST_WAIT_MS = 15_000;

/** Silence after which the line counts as dead, in milliseconds. The box writes a comment every 15 s. */
export const SILENCE_MS = 40_000;

export interface Line<T> {
  /** Asks for the whole picture. */
  fetch(signal: AbortSignal): Promise<T>;
  /** Opens the stream of events. */
  open(signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
}

export interface Listener<T> {
  /** A new picture. */
  picture(picture: T): void;
  /** The line is up. */
  up(): void;
  /** The line was lost, and is being tried again. */
  down(): void;
  /** Something else happened, by its event's name. */
  other?(event: string): void;
}

export class Feed<T> {
  private stopped: AbortController | undefined;
  private wake: (() => void) | undefined;

  constructor(
    private readonly line: Line<T>,
    private readonly listener: Listener<T>,
    /** The name of the events that carry a picture. */
    private readonly event: string,
    /** A number from 0 to 1 that spreads the tries of many pages. */
    private readonly random: () => number = Math.random,
  ) {}

  /** Follows until stopped, or until the box refuses (a session that is over). */
  start(): void {
    if (this.stopped) return;
    this.stopped = new AbortController();
    void this.run(this.stopped.signal);
  }

  /** Whether it follows, or tries to. */
  get running(): boolean {
    return this.stopped !== undefined;
  }

  stop(): void {
    this.stopped?.abort();
    this.stopped = undefined;
    this.wake?.();
  }

  /** Tries at once instead of waiting: the network came back, or the owner asks. */
  hurry(): void {
    this.wake?.();
  }

  private async run(signal: AbortSignal): Promise<void> {
    let wait = FIRST_WAIT_MS;
    while (!signal.aborted) {
      try {
        await this.follow(signal, () => {
          wait = FIRST_WAIT_MS;
        });
      } catch (error) {
        // Refused for the session's sake: the client has said so, and only a sign-in helps.
        if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
          this.stopped = undefined;
          return;
        }
      }
      if (isOver(signal)) return;
      this.listener.down();
      await this.pause(wait * (0.75 + 0.5 * this.random()));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  /** One connection, from the first picture to its end. */
  private async follow(signal: AbortSignal, alive: () => void): Promise<void> {
    const connection = new AbortController();
    const either = AbortSignal.any([signal, connection.signal]);
    const give = (): void => {
      connection.abort(new Unreachable());
    };
    let silence = setTimeout(give, SILENCE_MS);
    try {
      this.listener.picture(await this.line.fetch(either));
      const stream = await this.line.open(either);
      alive();
      this.listener.up();
      const reader = stream.getReader();
      either.addEventListener('abort', () => void reader.cancel().catch(() => undefined), { once: true });
      const parser = new EventParser();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return;
        clearTimeout(silence);
        silence = setTimeout(give, SILENCE_MS);
        for (const event of parser.push(decoder.decode(value, { stream: true }))) {
          if (event.type === this.event) this.listener.picture(JSON.parse(event.data) as T);
          else this.listener.other?.(event.type);
        }
      }
    } finally {
      clearTimeout(silence);
      connection.abort();
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      this.wake = done;
      const wake = done;
      const clear = (): void => {
        if (this.wake === wake) this.wake = undefined;
      };
      function done(): void {
        clearTimeout(timer);
        clear();
        resolve();
      }
    });
  }
}

/** A question, so that the compiler does not take an earlier answer for the present one. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
