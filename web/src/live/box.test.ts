import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { MockBox, SETUP_CODE, furnish } from '../../mock/box';
import { fetchFrom } from '../../mock/fetch';
import { Client } from '../api/client';
import { explain } from '../api/errors';
import { t } from '../i18n';
import { Box, HIDDEN_MS } from './box.svelte';

const PASSWORD = 'sow it and move on';

let mock: MockBox;
let box: Box;

beforeEach(() => {
  vi.useFakeTimers();
  mock = new MockBox(1_800_000_000);
  box = new Box(new Client(fetchFrom(mock)));
});

afterEach(() => {
  vi.useRealTimers();
});

async function claim(): Promise<void> {
  await box.start();
  await box.claim(SETUP_CODE, PASSWORD);
  await vi.waitFor(() => {
    expect(box.overview).toBeDefined();
  });
}

it('is claimed with the code, and then shows the live picture', async () => {
  await box.start();
  expect(box.phase).toBe('claim');
  const guess = await box.tryCode('ABCD-EFGH').catch((error: unknown) => explain(error));
  expect(guess).toBe('That is not the setup code of this box.');
  await box.tryCode(SETUP_CODE);
  expect(box.phase).toBe('claim');
  const wrong = await box.claim('ABCD-EFGH', PASSWORD).catch((error: unknown) => explain(error));
  expect(wrong).toBe('That is not the setup code of this box.');
  expect(box.phase).toBe('claim');
  await claim();
  expect(box.phase).toBe('in');
  mock.add('Barley.mkv', 2, [{ path: 'Barley.mkv', length: 5 }]);
  await vi.waitFor(() => {
    expect(box.overview?.releases.map(({ name }) => name)).toEqual(['Barley.mkv']);
  });
});

it('shows what changes while releases live', async () => {
  furnish(mock);
  await claim();
  const stages = new Set(box.overview?.releases.map(({ stage }) => stage));
  expect([...stages].sort()).toEqual([
    'absent',
    'failed',
    'found',
    'hashing',
    'paused',
    'retired',
    'spreading',
    'supporting',
  ]);
  mock.pass(mock.now + 1);
  await vi.waitFor(() => {
    expect(box.overview?.at).toBe(1_800_000_001);
  });
});

it('goes to the sign-in when the session is over, and forgets what it saw', async () => {
  await claim();
  mock.sessions.clear();
  mock.tell();
  await vi.waitFor(() => {
    expect(box.phase).toBe('sign-in');
  });
  expect(box.overview).toBeUndefined();
  expect(box.ended).toBe(true);
  const wrong = await box.signIn('guess').catch((error: unknown) => explain(error));
  expect(wrong).toBe('That is not the password.');
  await box.signIn(PASSWORD);
  expect(box.phase).toBe('in');
  expect(box.ended).toBe(false);
});

it('is new as long as nothing of what was found was taken up', async () => {
  await claim();
  expect(await box.isNew()).toBe(false);
  const life = mock.add('Barley.mkv', 2, [{ path: 'Barley.mkv', length: 5 }]);
  expect(await box.isNew()).toBe(true);
  mock.share(life);
  expect(await box.isNew()).toBe(false);
});

it('signs out', async () => {
  await claim();
  await box.signOut();
  expect(box.phase).toBe('sign-in');
  expect(box.ended).toBe(false);
  await box.start();
  expect(box.phase).toBe('sign-in');
});

it('keeps the last picture while the box is away, says so, and heals', async () => {
  await claim();
  mock.faults.away = true;
  mock.tell();
  await vi.waitFor(() => {
    expect(box.lost).toBe(true);
  });
  expect(box.overview).toBeDefined();
  const said = await box.signOut().catch((error: unknown) => explain(error));
  expect(said).toBe(t.errors.unreachable);
  mock.faults.away = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(box.lost).toBe(false);
});

it('waits for a box that is not up yet', async () => {
  mock.faults.away = true;
  await box.start();
  expect(box.phase).toBe('starting');
  expect(box.lost).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  mock.faults.away = false;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(box.phase).toBe('claim');
  expect(box.lost).toBe(false);
});

it('hears that something was set elsewhere, also while the line was down', async () => {
  await claim();
  const before = box.changes;
  mock.changed();
  await vi.waitFor(() => {
    expect(box.changes).toBe(before + 1);
  });
  mock.faults.away = true;
  mock.tell();
  await vi.waitFor(() => {
    expect(box.lost).toBe(true);
  });
  mock.faults.away = false;
  await vi.waitFor(async () => {
    await vi.advanceTimersByTimeAsync(1_000);
    expect(box.lost).toBe(false);
  });
  expect(box.changes).toBe(before + 2);
});

it('is claimed anew after it was reset elsewhere', async () => {
  await claim();
  mock.info = { ...mock.info, claimed: false };
  mock.sessions.clear();
  mock.tell();
  await vi.waitFor(() => {
    expect(box.phase).toBe('claim');
  });
});

it('knows when it is another version that is back', async () => {
  await claim();
  expect(box.stale).toBe(false);
  mock.faults.away = true;
  mock.tell();
  await vi.waitFor(() => {
    expect(box.lost).toBe(true);
  });
  mock.info.version = '0.2.0';
  mock.faults.away = false;
  box.hurry();
  await vi.waitFor(() => {
    expect(box.lost).toBe(false);
  });
  await vi.waitFor(() => {
    expect(box.stale).toBe(true);
  });
  // However often it is asked for then.
  await box.look();
  expect(box.stale).toBe(true);
});

it('holds no connection while nobody looks, and is up to date when somebody does', async () => {
  await claim();
  await vi.waitFor(() => {
    expect(mock.watchers.size).toBe(1);
  });
  box.hide();
  await vi.advanceTimersByTimeAsync(HIDDEN_MS - 1_000);
  box.show();
  await vi.advanceTimersByTimeAsync(HIDDEN_MS);
  expect(mock.watchers.size).toBe(1);
  box.hide();
  await vi.advanceTimersByTimeAsync(HIDDEN_MS);
  expect(mock.watchers.size).toBe(0);
  const before = box.changes;
  mock.add('Barley.mkv', 2, [{ path: 'Barley.mkv', length: 5 }]);
  mock.info = { ...mock.info, version: 'another' };
  box.show();
  await vi.waitFor(() => {
    expect(box.overview?.releases.map(({ name }) => name)).toEqual(['Barley.mkv']);
    expect(box.changes).toBe(before + 1);
  });
  expect(box.stale).toBe(true);
  expect(mock.watchers.size).toBe(1);
});

it('comes back to a box that was away when nobody looked, and still is', async () => {
  await claim();
  mock.faults.away = true;
  mock.tell();
  await vi.waitFor(() => {
    expect(box.lost).toBe(true);
  });
  box.hide();
  await vi.advanceTimersByTimeAsync(HIDDEN_MS);
  box.show();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(box.lost).toBe(true);
  mock.faults.away = false;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(box.lost).toBe(false);
  expect(mock.watchers.size).toBe(1);
});

it('knows the name that was set elsewhere', async () => {
  await claim();
  await vi.waitFor(() => {
    expect(mock.watchers.size).toBe(1);
  });
  mock.info = { ...mock.info, name: 'Barn' };
  mock.changed();
  await vi.waitFor(() => {
    expect(box.info?.name).toBe('Barn');
  });
});
