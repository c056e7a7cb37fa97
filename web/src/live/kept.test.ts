import { beforeEach, expect, it } from 'vitest';

import { MockBox, SETUP_CODE } from '../../mock/box';
import { fetchFrom } from '../../mock/fetch';
import { Client } from '../api/client';
import { Refused } from '../api/errors';
import type { Settings, SettingsPatch } from '../api/types';
import { t } from '../i18n';
import { KeptSettings } from './kept.svelte';

let mock: MockBox;
let here: KeptSettings;
let base: Settings;

beforeEach(async () => {
  mock = new MockBox(1_800_000_000);
  const client = new Client(fetchFrom(mock));
  await client.call('post', '/api/v1/box/claim', { body: { code: SETUP_CODE, password: 'long enough' } });
  here = new KeptSettings(client);
  await here.load();
  base = shown();
});

function shown(): Settings {
  if (!here.now) throw new Error('nothing was loaded');
  return here.now;
}

function setElsewhere(patch: SettingsPatch): void {
  mock.settings = { ...mock.settings, ...patch };
}

it('takes up what was set elsewhere, and is the same while nothing was', async () => {
  await here.load();
  expect(here.now).toBe(base);
  setElsewhere({ relays: 5 });
  await here.load();
  expect(here.now?.relays).toBe(5);
});

it('overwrites nothing that it has not seen', async () => {
  setElsewhere({ relays: 5 });
  const refused = await here.save({ relays: 9 }, base).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect((refused as Refused).status).toBe(412);
  expect((refused as Refused).detail).toBe(t.settings.elsewhere);
  expect(mock.settings.relays).toBe(5);
  expect(here.now?.relays).toBe(5);
  // Whoever has seen it may.
  await here.save({ relays: 9 }, shown());
  expect(mock.settings.relays).toBe(9);
});

it('says so before it asks, when it knows already', async () => {
  setElsewhere({ relays: 5 });
  await here.load();
  mock.faults.away = true;
  const refused = await here.save({ relays: 9 }, base).catch((error: unknown) => error);
  expect((refused as Refused).status).toBe(412);
});

it('changes some while others are changed elsewhere', async () => {
  setElsewhere({ guard: false });
  const saved = await here.save({ relays: 9 }, base);
  expect(saved).toMatchObject({ relays: 9, guard: false });
  expect(here.now).toBe(saved);
});
