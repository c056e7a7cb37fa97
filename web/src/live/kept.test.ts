import { beforeEach, expect, it } from 'vitest';

import { MockBox, SETUP_CODE } from '../../mock/box';
import { fetchFrom } from '../../mock/fetch';
import { Client } from '../api/client';
import { Refused } from '../api/errors';
import type { Settings } from '../api/types';
import { KeptSettings } from './kept.svelte';

let here: KeptSettings;
let elsewhere: Client;
let shown: Settings[];

beforeEach(async () => {
  const mock = new MockBox(1_800_000_000);
  const client = new Client(fetchFrom(mock));
  await client.call('post', '/api/v1/box/claim', { body: { code: SETUP_CODE, password: 'long enough' } });
  elsewhere = new Client(fetchFrom(mock));
  await elsewhere.call('post', '/api/v1/session', { body: { password: 'long enough' } });
  shown = [];
  here = new KeptSettings(client, (settings) => shown.push(settings));
  await here.load();
});

async function setElsewhere(relays: number): Promise<void> {
  await elsewhere.call('patch', '/api/v1/settings', { body: { relays } });
}

const relays = (): number[] => shown.map((settings) => settings.relays);

it('follows what was set elsewhere while nobody types', async () => {
  await setElsewhere(5);
  await here.look(false);
  expect(relays()).toEqual([3, 5]);
  expect(here.newer).toBeUndefined();
  await here.look(false);
  expect(relays()).toEqual([3, 5]);
});

it('says it, and keeps what is being typed', async () => {
  await setElsewhere(5);
  await here.look(true);
  expect(relays()).toEqual([3]);
  expect(here.newer?.relays).toBe(5);
  here.follow();
  expect(relays()).toEqual([3, 5]);
  expect(here.newer).toBeUndefined();
});

it('overwrites nothing that it has not shown', async () => {
  await setElsewhere(5);
  const refused = await here.save({ relays: 9 }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect((refused as Refused).status).toBe(412);
  expect(here.newer?.relays).toBe(5);
  here.stay();
  expect(here.newer).toBeUndefined();
  await here.save({ relays: 9 });
  expect(relays()).toEqual([3, 9]);
});

it('forgets a change elsewhere that was taken back', async () => {
  await setElsewhere(5);
  await here.look(true);
  await setElsewhere(3);
  await here.look(true);
  expect(here.newer).toBeUndefined();
  await here.save({ relays: 4 });
  expect(relays()).toEqual([3, 4]);
});
