import { afterEach, expect, it } from 'vitest';

import { speak } from '../i18n';
import { numbers, times } from './intl';

afterEach(() => speak(['en-GB']));

it('makes a formatter once, and another one for another form', () => {
  expect(numbers({ maximumFractionDigits: 1 })).toBe(numbers({ maximumFractionDigits: 1 }));
  expect(numbers({ maximumFractionDigits: 1 })).not.toBe(numbers({ maximumFractionDigits: 2 }));
  expect(times({ hour: '2-digit' })).toBe(times({ hour: '2-digit' }));
});

it('speaks the language that is spoken now', async () => {
  expect(numbers({ maximumFractionDigits: 1 }).format(1.5)).toBe('1.5');
  await speak(['fr-FR']);
  expect(numbers({ maximumFractionDigits: 1 }).format(1.5)).toBe('1,5');
});
