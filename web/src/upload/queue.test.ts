import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { MockBox, SETUP_CODE } from '../../mock/box';
import { fetchFrom } from '../../mock/fetch';
import { Client, DISK_TIMEOUT_MS } from '../api/client';
import { t } from '../i18n';
import { crc32c, digestOf } from './crc32c';
import type { UploadJob } from './job.svelte';
import { UploadMemory, type Shelf } from './memory';
import type { Bundle } from './pick';
import { UploadQueue } from './queue.svelte';

const CHUNK = 1000;

let mock: MockBox;
let client: Client;
let sent: string[];
/** Called with each request before it reaches the box: where a test makes things go wrong at a certain point. */
let before: (line: string) => unknown;
let shelf: Shelf;
let queue: UploadQueue;

beforeEach(async () => {
  vi.useFakeTimers();
  mock = new MockBox(1_800_000_000);
  const reach = fetchFrom(mock);
  sent = [];
  before = () => undefined;
  client = new Client(async (input, init) => {
    const line = `${init?.method ?? 'GET'} ${(input as string).replace('/api/v1/', '')}`;
    sent.push(line);
    await before(line);
    return reach(input, init);
  });
  await client.call('post', '/api/v1/box/claim', { body: { code: SETUP_CODE, password: 'a good password' } });
  const kept = new Map<string, string>();
  shelf = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
  queue = new UploadQueue(client, new UploadMemory(shelf), CHUNK);
  sent = [];
});

afterEach(() => {
  vi.useRealTimers();
});

function disc(name = 'disc', ...sizes: number[]): Bundle {
  const files = (sizes.length > 0 ? sizes : [2500, 0, 10]).map((size, index) => ({
    path: `${index}.flac`,
    file: new File([new Uint8Array(size)], `${index}.flac`, { lastModified: 1 }),
  }));
  return { name, single: false, files };
}

function start(bundle: Bundle): UploadJob {
  queue.add([bundle]);
  const job = queue.jobs.at(-1);
  if (!job) throw new Error('the queue took nothing');
  return job;
}

async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(
    () => {
      expect(condition()).toBe(true);
    },
    { timeout: 60_000 },
  );
}

function shared(): [string, number][] {
  return [...mock.lives.values()].map(({ view }) => [view.name, view.size]);
}

it('sends a folder in chunks, and it becomes a release', async () => {
  const job = start(disc());
  await until(() => job.settled);
  expect(job).toMatchObject({ state: 'done', sent: 2510, total: 2510, fault: '' });
  expect(sent).toEqual([
    'POST uploads',
    'PUT uploads/u2/files/0?offset=0',
    'PUT uploads/u2/files/0?offset=1000',
    'PUT uploads/u2/files/0?offset=2000',
    'PUT uploads/u2/files/2?offset=0',
    'POST uploads/u2/finish',
  ]);
  expect(shared()).toEqual([['disc', 2510]]);
});

it('sends one after the other', async () => {
  queue.add([disc('a'), disc('b')]);
  await until(() => queue.jobs[0]?.state === 'sending');
  expect(queue.jobs[1]?.state).toBe('waiting');
  expect(queue.active).toHaveLength(2);
  await until(() => queue.active.length === 0);
  expect(shared().map(([name]) => name)).toEqual(['a', 'b']);
});

it('sends a chunk again whole when the line was cut', async () => {
  mock.faults.cutChunks = 1;
  const job = start(disc());
  await until(() => job.settled);
  expect(job.state).toBe('done');
  expect(sent.filter((line) => line.startsWith('PUT'))).toEqual([
    'PUT uploads/u2/files/0?offset=0',
    'PUT uploads/u2/files/0?offset=0',
    'PUT uploads/u2/files/0?offset=1000',
    'PUT uploads/u2/files/0?offset=2000',
    'PUT uploads/u2/files/2?offset=0',
  ]);
});

it('sends again what was damaged on its way', async () => {
  mock.faults.damageChunks = 2;
  const job = start(disc());
  await until(() => job.settled);
  expect(job).toMatchObject({ state: 'done', sent: 2510, fault: '' });
  expect(sent.filter((line) => line.endsWith('files/0?offset=0'))).toHaveLength(3);
});

it('knows the check value of CRC-32C, and writes it as RFC 9530 does', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array())).toBe(0);
  expect(digestOf(new TextEncoder().encode('abc'))).toBe('crc32c=:Nks/tw==:');
});

it('sends nothing twice when only the answer was lost', async () => {
  before = (line) => {
    if (line.startsWith('PUT')) mock.faults.loseAnswers = 1;
  };
  const job = start(disc());
  await until(() => job.settled);
  expect(job.state).toBe('done');
  expect(shared()).toEqual([['disc', 2510]]);
  const chunks = sent.filter((line) => line.startsWith('PUT'));
  expect(new Set(chunks).size).toBe(chunks.length);
});

it('begins it once when the answer to that was lost', async () => {
  mock.faults.loseAnswers = 1;
  const job = start(disc());
  await until(() => job.settled);
  expect(job).toMatchObject({ state: 'done', fault: '' });
  expect(sent.filter((line) => line === 'POST uploads')).toHaveLength(2);
  expect(shared()).toEqual([['disc', 2510]]);
});

it('gives a card that flushes what was sent as long as it may take', async () => {
  const limit = vi.spyOn(AbortSignal, 'timeout');
  const job = start(disc());
  await until(() => job.settled);
  expect(sent.at(-1)).toContain('/finish');
  expect(limit.mock.lastCall).toEqual([DISK_TIMEOUT_MS]);
  limit.mockRestore();
});

it('waits until a request that died lets go of the file', async () => {
  mock.faults.busyChunks = 3;
  const job = start(disc());
  const begun = Date.now();
  await until(() => job.settled);
  expect(job.state).toBe('done');
  expect(Date.now() - begun).toBeGreaterThanOrEqual(3_500);
});

it('gives up when the box keeps refusing the very bytes that it asks for', async () => {
  mock.faults.busyChunks = 1000;
  const job = start(disc());
  await vi.advanceTimersByTimeAsync(180_000);
  expect(job.state).toBe('failed');
  expect(job.fault).toContain('is being sent already');
  expect(sent.length).toBeLessThan(20);
});

it('is done when the answer to the last call was lost', async () => {
  before = (line) => {
    if (line.endsWith('/finish') && mock.uploads.size > 0) mock.faults.loseAnswers = 1;
  };
  const job = start(disc('disc', 10));
  await until(() => job.settled);
  expect(job).toMatchObject({ state: 'done', fault: '' });
  expect(shared()).toHaveLength(1);
});

it('waits while the box is away, and goes on at once when hurried', async () => {
  mock.faults.away = true;
  const job = start(disc());
  await vi.advanceTimersByTimeAsync(120_000);
  expect(job.state).toBe('lost');
  const tries = sent.length;
  expect(tries).toBeLessThan(20);
  mock.faults.away = false;
  queue.hurry();
  await vi.advanceTimersByTimeAsync(0);
  await until(() => job.settled);
  expect(job.state).toBe('done');
});

it('says that a name is taken, and goes on under another', async () => {
  mock.add('disc', 2, []);
  const job = start(disc());
  await until(() => job.settled);
  expect(job).toMatchObject({
    state: 'failed',
    nameTaken: true,
    fault: 'There is something called “disc” already.',
  });
  queue.retry(job, 'disc two');
  await until(() => job.settled);
  expect(job).toMatchObject({ state: 'done', nameTaken: false, fault: '' });
  expect(shared().map(([name]) => name)).toEqual(['disc', 'disc two']);
});

it('gives a single file the name of its release', async () => {
  mock.add('film.mkv', 2, []);
  const file = new File(['abc'], 'film.mkv');
  const job = start({ name: 'film.mkv', single: true, files: [{ path: 'film.mkv', file }] });
  await until(() => job.settled);
  mock.lives.clear();
  queue.retry(job, 'other.mkv');
  await until(() => job.settled);
  expect([...mock.lives.values()].map(({ view, files }) => [view.name, files[0]?.path])).toEqual([
    ['other.mkv', ''],
  ]);
});

it('says that the disk is full, and goes on when it is not', async () => {
  before = (line) => {
    mock.faults.diskFull = line.endsWith('offset=1000');
  };
  const job = start(disc());
  await until(() => job.settled);
  before = () => undefined;
  expect(job).toMatchObject({
    state: 'failed',
    sent: 1000,
    nameTaken: false,
    fault: 'The disk of the box is full.',
  });
  mock.faults.diskFull = false;
  queue.retry(job);
  await until(() => job.settled);
  expect(job.state).toBe('done');
});

it('says before anything is sent that it does not fit', async () => {
  mock.faults.diskFull = true;
  const job = start(disc());
  await until(() => job.settled);
  expect(job.fault).toBe('It does not fit: the box has not enough room for uploads.');
  expect(sent).toEqual(['POST uploads']);
});

it('knows how much waits, for which the box keeps no room yet', async () => {
  queue.add([disc('one', 2500), disc('two', 300), disc('three', 40)]);
  expect(queue.waiting).toBe(340);
  await until(() => queue.jobs.every(({ settled }) => settled));
  expect(queue.waiting).toBe(0);
});

it('names the file that cannot be read any more', async () => {
  const bundle = disc();
  const broken = bundle.files[2]?.file;
  if (broken)
    broken.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) as unknown as Blob;
  const job = start(bundle);
  await until(() => job.settled);
  expect(job).toMatchObject({ state: 'failed', fault: t.upload.changed('2.flac') });
});

it('cancels here and on the box, and lets the next one go', async () => {
  let cancelled: Promise<void> | undefined;
  before = (line) => {
    if (line.endsWith('offset=3000')) cancelled = job.cancel();
  };
  const job = start(disc('disc', 50_000));
  const next = start(disc('next'));
  await until(() => next.settled);
  await cancelled;
  expect(job.state).toBe('cancelled');
  expect(mock.uploads.size).toBe(0);
  expect(sent.filter((line) => line.startsWith('PUT uploads/u2')).at(-1)).toContain('offset=3000');
  expect(shared().map(([name]) => name)).toEqual(['next']);
});

it('cancels while it waits for its turn or for the line', async () => {
  mock.faults.away = true;
  const job = start(disc());
  const next = start(disc('next'));
  await until(() => job.state === 'lost');
  await next.cancel();
  await job.cancel();
  mock.faults.away = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect([job.state, next.state]).toEqual(['cancelled', 'cancelled']);
  expect(shared()).toEqual([]);
});

it('goes on after a reload when the same files are chosen again', async () => {
  before = (line) => {
    mock.faults.diskFull = line.endsWith('offset=1000');
  };
  const job = start(disc());
  await until(() => job.settled);
  before = () => undefined;
  mock.faults.diskFull = false;
  sent = [];
  queue = new UploadQueue(client, new UploadMemory(shelf), CHUNK);
  const again = start(disc());
  await until(() => again.settled);
  expect(again.state).toBe('done');
  expect(sent.slice(0, 2)).toEqual(['GET uploads/u2', 'PUT uploads/u2/files/0?offset=1000']);
});

it('begins anew when the box has forgotten the upload', async () => {
  before = (line) => {
    if (line.endsWith('offset=1000')) mock.uploads.clear();
  };
  const job = start(disc());
  await until(() => job.settled);
  before = () => undefined;
  expect(job).toMatchObject({ state: 'failed', sent: 0, fault: 'There is no such upload.' });
  queue.retry(job);
  await until(() => job.settled);
  expect(job.state).toBe('done');
  expect(sent.filter((line) => line === 'POST uploads')).toHaveLength(2);
});

it('survives a storage that is broken or forbidden', () => {
  const broken = new UploadMemory({
    getItem: () => '{"not": "ours"}',
    setItem: () => {
      throw new Error('full');
    },
  });
  broken.remember('a', 'u1');
  expect(broken.recall('a')).toBeUndefined();
  expect(new UploadMemory(undefined).recall('a')).toBeUndefined();
});
