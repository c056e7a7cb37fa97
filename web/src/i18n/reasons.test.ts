import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { said, speak } from '.';
import { reasons, sentences } from './reasons.fr';

const root = join(import.meta.dirname, '../../..');

const retire = readFileSync(join(root, 'tests/data/retire-reasons.txt'), 'utf8').trim().split('\n');

/** What Rust says, as it stands in its files. */
const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.rs'))
  .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
  .join('\n');

describe('the box’s reasons in French', () => {
  it.each(retire)('%s', (sentence) => {
    expect(reasons(sentence)).not.toMatch(/undefined|NaN|every|piece|others|waiting|left/);
    expect(reasons(sentence)).toBeDefined();
  });

  it.each(Object.keys(sentences))('still says “%s”', (sentence) => {
    expect(source).toContain(sentence);
  });

  it.each([
    [
      'stopped: 3 others hold every piece (203.0.113.7 and 2 more, each seen twice, one proven); 1.04 copies spent',
      'arrêt\u00a0: 3 autres ont toutes les pièces (203.0.113.7 et 2 autres, chacun vu deux fois, un prouvé)\u202f; 1,04 copie dépensée',
    ],
    [
      'back: only 1 of 3 others is left (2 looked for and not found); 2.10 copies spent',
      'retour\u00a0: il ne reste que 1 des 3 autres (2 cherchés et non trouvés)\u202f; 2,10 copies dépensées',
    ],
    [
      'back: nobody else is left (1 found to be false)',
      'retour\u00a0: il ne reste personne d’autre (1 s’est révélé faux)',
    ],
    [
      'others hold every piece between them, nobody all of them; waiting for 3 more',
      'd’autres ont toutes les pièces à eux tous, mais personne ne les a toutes\u202f; il en faut encore 3',
    ],
    ['the schedule: nothing is sent until 18:00', 'l’horaire\u00a0: rien n’est envoyé jusqu’à 18:00'],
    [
      "waits until 2026-12-01: the month's quota is used",
      'attend jusqu’au 2026-12-01\u00a0: le quota du mois est épuisé',
    ],
  ])('%s', (sentence, french) => {
    expect(reasons(sentence)).toBe(french);
  });
});

describe('said', () => {
  afterEach(() => speak(['en-GB']));

  it('is what the box says where no other words are known', async () => {
    expect(said('being read')).toEqual({ text: 'being read', lang: 'en-GB' });
    await speak(['fr-CA']);
    expect(said('being read')).toEqual({ text: 'en cours de lecture', lang: 'fr-CA' });
    // What went wrong comes from the box in French already.
    const gone = '/media/disk ne peut pas être parcouru';
    expect(said(gone)).toEqual({ text: gone, lang: 'fr-CA' });
  });
});
