import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Refused, Unreachable } from '../api/errors';
import { FIRST_WAIT_MS, Feed, LONGEST_WAIT_MS, SILENCE_MS } from './feed';

/** A line to a box that the test holds in its hand. */
class Line {
  fetches = 0;
  fault: Error | undefined;
  streams: ReadableStreamDefaultController<Uint8Array>[] = [];

  fetch = (): Promise<number> => {
    this.fetches += 1;
    return this.fault ? Promise.reject(this.fault) : Promise.resolve(this.fetches);
  };

  open = (): Promise<ReadableStream<Uint8Array>> =>
    Promise.resolve(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.streams.push(controller);
        },
      }),
    );

  say(text: string): void {
    this.streams.at(-1)?.enqueue(new TextEncoder().encode(text));
  }
}

describe('the feed', () => {
  let line: Line;
  let heard: string[];
  let feed: Feed<number>;

  beforeEach(() => {
    vi.useFakeTimers();
    line = new Line();
    heard = [];
    const listener = {
      picture: (picture: number) => heard.push(`picture ${picture}`),
      up: () => heard.push('up'),
      down: () => heard.push('down'),
      other: (event: string) => heard.push(event),
    };
    feed = new Feed(line, listener, 'overview', () => 0.5);
  });

  afterEach(() => {
    feed.stop();
    vi.useRealTimers();
  });

  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

  it('fetches the whole picture first, and follows the events', async () => {
    feed.start();
    await settle();
    line.say('event: overview\ndata: 41\n\nevent: other\ndata: 0\n\n: still here\n\n');
    line.say('event: overview\ndata: 4');
    line.say('2\n\n');
    await settle();
    expect(heard).toEqual(['picture 1', 'up', 'picture 41', 'other', 'picture 42']);
  });

  it('says that the line is down, and fetches anew when it heals', async () => {
    feed.start();
    await settle();
    line.streams[0]?.error(new TypeError('cut'));
    await settle();
    expect(heard.at(-1)).toBe('down');
    await vi.advanceTimersByTimeAsync(FIRST_WAIT_MS);
    expect(heard.slice(-2)).toEqual(['picture 2', 'up']);
  });

  it('also heals when the box ends the stream in good order', async () => {
    feed.start();
    await settle();
    line.streams[0]?.close();
    await vi.advanceTimersByTimeAsync(FIRST_WAIT_MS);
    expect(heard).toEqual(['picture 1', 'up', 'down', 'picture 2', 'up']);
  });

  it('waits longer each time, up to the longest', async () => {
    line.fault = new Unreachable();
    feed.start();
    await settle();
    const waits: number[] = [];
    let at = Date.now();
    for (let tries = 1; tries < 9; tries += 1) {
      while (line.fetches <= tries) await vi.advanceTimersByTimeAsync(50);
      waits.push(Date.now() - at);
      at = Date.now();
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, LONGEST_WAIT_MS, LONGEST_WAIT_MS, LONGEST_WAIT_MS]);
  });

  it('tries at once when hurried', async () => {
    line.fault = new Unreachable();
    feed.start();
    await vi.advanceTimersByTimeAsync(60_000);
    line.fault = undefined;
    const before = line.fetches;
    feed.hurry();
    await settle();
    expect(line.fetches).toBe(before + 1);
    expect(heard.at(-1)).toBe('up');
  });

  it('takes silence for a dead line, but not while comments come', async () => {
    feed.start();
    await settle();
    for (let count = 0; count < 6; count += 1) {
      await vi.advanceTimersByTimeAsync(15_000);
      line.say(': still here\n\n');
      await settle();
    }
    expect(heard).toEqual(['picture 1', 'up']);
    await vi.advanceTimersByTimeAsync(SILENCE_MS);
    expect(heard.at(-1)).toBe('down');
  });

  it('reads nonsense as a lost line, and goes on', async () => {
    feed.start();
    await settle();
    line.say('event: overview\ndata: {half\n\n');
    await settle();
    expect(heard.at(-1)).toBe('down');
    await vi.advanceTimersByTimeAsync(FIRST_WAIT_MS);
    expect(heard.at(-1)).toBe('up');
  });

  it('stops for good when the session is over, and can be started again', async () => {
    line.fault = new Refused(401, '', undefined);
    feed.start();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(line.fetches).toBe(1);
    expect(heard).toEqual([]);
    line.fault = undefined;
    feed.start();
    await settle();
    expect(heard).toEqual(['picture 2', 'up']);
  });

  it('says nothing any more once stopped', async () => {
    feed.start();
    await settle();
    feed.stop();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(heard).toEqual(['picture 1', 'up']);
  });
});
