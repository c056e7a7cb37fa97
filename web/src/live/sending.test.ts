import { beforeEach, expect, it } from 'vitest';

import { MockBox, SETUP_CODE } from '../../mock/box';
import { fetchFrom, sendFrom } from '../../mock/fetch';
import { whole } from '../../mock/system';
import { Client } from '../api/client';
import { t } from '../i18n';
import { Sending } from './sending.svelte';

let mock: MockBox;
let client: Client;
let sending: Sending;

const bundle = (text: string): Blob => new Blob([text]);

beforeEach(async () => {
  mock = new MockBox(1_800_000_000);
  whole(mock);
  const fetch = fetchFrom(mock);
  client = new Client(fetch, sendFrom(fetch));
  sending = new Sending(client);
  const body = { code: SETUP_CODE, password: 'sow it and move on' };
  await client.call('post', '/api/v1/box/claim', { body });
});

it('sends an update, tells how far it is, and waits for what the box says of it', async () => {
  const file = bundle('semoir-update 0.2.0\nand so on');
  const sent = sending.send(file);
  expect(sending).toMatchObject({ busy: true, sent: Math.floor(file.size / 2), total: file.size });
  // A second one does not begin beside it.
  await sending.send(bundle('another'));
  expect(sending.total).toBe(file.size);
  await sent;
  expect(sending).toMatchObject({ busy: false, sent: file.size, fault: '' });
  const { update } = await client.call('get', '/api/v1/box/system');
  expect(update).toMatchObject({ state: 'ready', bundle: { version: '0.2.0', bytes: file.size } });
});

it('says in the words of the box what is wrong with it', async () => {
  await sending.send(bundle('a film'));
  expect(sending.fault).toBe('That is no update of Semoir: nobody we know has signed it.');
  const { update } = await client.call('get', '/api/v1/box/system');
  expect(update).toMatchObject({ state: 'none', problem: sending.fault });
});

it('says that the box was not reached, and forgets it with the next one', async () => {
  mock.faults.away = true;
  await sending.send(bundle('semoir-update 0.2.0\n'));
  expect(sending).toMatchObject({ busy: false, fault: t.errors.unreachable });
  mock.faults.away = false;
  await sending.send(bundle('semoir-update 0.2.0\n'));
  expect(sending.fault).toBe('');
});

it('is given up without a word', async () => {
  const stalled = new Client(fetchFrom(mock), (_, __, ___, signal) => {
    return new Promise((___, reject) => {
      signal.addEventListener('abort', () => {
        reject(new TypeError('aborted'));
      });
    });
  });
  const one = new Sending(stalled);
  const sent = one.send(bundle('semoir-update 0.2.0\n'));
  one.cancel();
  await sent;
  expect(one).toMatchObject({ busy: false, fault: '' });
});

it('ends the session of the page where the box says that it is over', async () => {
  mock.sessions.clear();
  let over = 0;
  client.onSignedOut = () => (over += 1);
  await sending.send(bundle('semoir-update 0.2.0\n'));
  expect(over).toBe(1);
  expect(sending.fault).toBe('Sign in first.');
});
