import { expect, it } from 'vitest';

import { address, parse } from './route';

it.each([
  ['', { view: 'home' }],
  ['#', { view: 'home' }],
  ['#/', { view: 'home' }],
  ['#/upload', { view: 'upload' }],
  ['#/settings/', { view: 'settings' }],
  ['#/account', { view: 'account' }],
  ['#/box', { view: 'box' }],
  ['#/welcome', { view: 'welcome' }],
  ['#/release/12', { view: 'release', id: 12 }],
  ['#/release/', { view: 'missing' }],
  ['#/release', { view: 'missing' }],
  ['#/release/-1', { view: 'missing' }],
  ['#/release/1/2', { view: 'missing' }],
  ['#/release/99999999999999999999', { view: 'missing' }],
  ['#/upload/1', { view: 'missing' }],
  ['#/nothing', { view: 'missing' }],
])('%j leads to %j', (hash, route) => {
  expect(parse(hash)).toEqual(route);
});

it('leads back from every address', () => {
  for (const route of [
    { view: 'home' },
    { view: 'upload' },
    { view: 'settings' },
    { view: 'account' },
    { view: 'box' },
    { view: 'welcome' },
    { view: 'release', id: 7 },
  ] as const) {
    expect(parse(address(route))).toEqual(route);
  }
});
