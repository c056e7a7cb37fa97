/**
 * The box's reasons in French. It says them in English, and keeps them so in its log: what it decided is one text, whoever
 * reads it. A sentence that is not known here is shown as the box said it.
 */

/** Sentences without anything that changes. */
export const sentences: Record<string, string> = {
  found: 'trouvé',
  'its files are still changing': 'ses fichiers changent encore',
  'its files changed; they are read again': 'ses fichiers ont changé\u202f; ils sont relus',
  'it is not in its folder any more': 'elle n’est plus dans son dossier',
  "its folder is not among the box's sources": 'son dossier n’est plus parmi les sources du boîtier',
  'it is here again': 'elle est de nouveau là',
  'its source was forgotten by its owner': 'sa source a été oubliée par son propriétaire',
  'waiting to be read': 'attend d’être lue',
  'being read': 'en cours de lecture',
  'read; a torrent exists': 'lue\u202f; un torrent existe',
  'the same content is shared from another place already':
    'le même contenu est déjà partagé d’un autre endroit',
  'it is not shared from the other place any more': 'elle n’est plus partagée de l’autre endroit',
  'its torrent is gone': 'son torrent a disparu',
  'shared by its owner': 'partagée par son propriétaire',
  'paused by its owner': 'mise en pause par son propriétaire',
  'resumed by its owner': 'reprise par son propriétaire',
  'removed by its owner': 'retirée par son propriétaire',
  'giving the first copies': 'donne les premières copies',
  'nobody who holds every piece is here now': 'personne qui ait toutes les pièces n’est là en ce moment',
  'only others on our own network hold every piece, and they do not count for the world':
    'seuls d’autres de notre propre réseau ont toutes les pièces, et ils ne comptent pas pour le reste du monde',
  'others hold every piece between them, nobody all of them':
    'd’autres ont toutes les pièces à eux tous, mais personne ne les a toutes',
  'stopped: others carried it; nothing answers us now, so that this says nothing of them':
    'arrêt\u00a0: d’autres la portaient\u202f; rien ne nous répond en ce moment, et cela ne dit donc rien d’eux',
  'stopped: others carried it; they are being looked for':
    'arrêt\u00a0: d’autres la portaient\u202f; nous les cherchons',
  'stopped: too few of those who carried it are left; we are about to come back':
    'arrêt\u00a0: trop peu de ceux qui la portaient restent\u202f; nous allons revenir',
  'back: told to go on': 'retour\u00a0: on nous a dit de continuer',
  'back: someone cannot get on without us': 'retour\u00a0: quelqu’un n’avance pas sans nous',
};

type Rule = readonly [RegExp, (...parts: string[]) => string | undefined];

const COUNTS: Record<string, number> = { none: 0, nobody: 0, one: 1 };

function count(word: string): number {
  return COUNTS[word] ?? Number(word);
}

const proved = (word: string): string => {
  const many = count(word);
  if (many === 0) return 'aucun prouvé';
  return many === 1 ? 'un prouvé' : `${many} prouvés`;
};

/** `proven`, `one proven`, `2 proven`: all of them, or so many. */
const proof = (said: string): string => {
  if (said === 'proven') return 'preuve à l’appui';
  return proved(said.replace(/ proven$/, ''));
};

const others = (many: number): string =>
  many === 1 ? 'un autre a toutes les pièces' : `${many} autres ont toutes les pièces`;

/** `2 looked for and not found, 1 not heard of for long`. */
function lost(said: string): string {
  const part = (one: string): string => {
    const [, number = '', what = ''] = /^(\d+) (.*)$/.exec(one) ?? [];
    const many = Number(number) > 1 ? 's' : '';
    const words: Record<string, string> = {
      'looked for and not found': `cherché${many} et non trouvé${many}`,
      'not heard of for long': 'sans nouvelles depuis longtemps',
      'found to be false': many ? 'se sont révélés faux' : 's’est révélé faux',
    };
    return `${number} ${words[what] ?? what}`;
  };
  return said.split(', ').map(part).join(', ');
}

const time = (said: string): string => said.replace('hours', 'heures').replace('seconds', 'secondes');

const few = (said: string): string => {
  const [, some = '', of = ''] = /^only (\d+) of (\d+) others$/.exec(said) ?? [];
  return some ? `${some} des ${of} autres` : 'personne d’autre';
};

const only = (said: string): string => (said === 'nobody else' ? few(said) : `que ${few(said)}`);

/** Who carries it. */
const carriers: readonly Rule[] = [
  [/^(\S+) holds every piece$/, (ip) => `${ip} a toutes les pièces`],
  [/^(\d+) others hold every piece$/, (many) => others(Number(many))],
];

/** What follows it. */
const tails: readonly Rule[] = [
  [/^; we go on because we were told to$/, () => '\u202f; nous continuons parce qu’on nous l’a dit'],
  [/^; waiting for (\d+) more$/, (more) => `\u202f; il en faut encore ${more}`],
  [/^, none proven yet$/, () => ', aucun n’est encore prouvé'],
  [/^, only (\w+) of them proven yet$/, (some) => `, ${proved(some)} seulement jusqu’ici`],
  [
    /^, (\w+) of them verified; waiting for (\d+) more$/,
    (some, more) => `, ${count(some)} vérifié${count(some) > 1 ? 's' : ''}\u202f; il en faut encore ${more}`,
  ],
  [/^; making sure that they stay$/, () => '\u202f; nous vérifions qu’ils restent'],
  [/^; about to stop$/, () => '\u202f; nous allons arrêter'],
];

const whole: readonly Rule[] = [
  [
    /^stopped: (\d+) others hold every piece \((\S+) and (\d+) more, each seen twice, (.*)\)$/,
    (many, ip, more, said) =>
      `arrêt\u00a0: ${others(Number(many))} (${ip} et ${more} autre${Number(more) > 1 ? 's' : ''}, chacun vu deux fois, ${proof(said)})`,
  ],
  [
    /^stopped: (\S+) holds every piece \(seen twice, (.*)\)$/,
    (ip, said) => `arrêt\u00a0: ${ip} a toutes les pièces (vu deux fois, ${proof(said)})`,
  ],
  [/^stopped: (\d+) others? holds? every piece$/, (many) => `arrêt\u00a0: ${others(Number(many))}`],
  [
    /^back: (\d+) others are wanted now, there (?:is|are) (\w+)$/,
    (wanted, there) => `retour\u00a0: il en faut maintenant ${wanted}, il y en a ${count(there)}`,
  ],
  [
    /^back: (nobody else|only \d+ of \d+ others) (?:is|are) left \((.*)\)$/,
    (said, gone) => `retour\u00a0: il ne reste ${only(said)} (${lost(gone)})`,
  ],
  [
    /^back: (nobody else|only \d+ of \d+ others) (?:was|were) seen for (.*)$/,
    (said, long) => `retour\u00a0: nous n’avons vu ${only(said)} pendant ${time(long)}`,
  ],
  [
    /^waits until (.*): its budget for the month is used$/,
    (next) => `attend jusqu’au ${next}\u00a0: son budget du mois est épuisé`,
  ],
  [
    /^waits until (.*): the rest of the month's quota is kept for releases whose first copy is not out$/,
    (next) =>
      `attend jusqu’au ${next}\u00a0: le reste du quota du mois est gardé pour celles dont la première copie n’est pas faite`,
  ],
  [
    /^waits until (.*): the month's quota is used$/,
    (next) => `attend jusqu’au ${next}\u00a0: le quota du mois est épuisé`,
  ],
  [
    /^the schedule: nothing is sent(?: until (.*))?$/,
    (until) => `l’horaire\u00a0: rien n’est envoyé${until ? ` jusqu’à ${until}` : ''}`,
  ],
];

function apply(rules: readonly Rule[], sentence: string): string | undefined {
  for (const [pattern, say] of rules) {
    const match = pattern.exec(sentence);
    if (match) return say(...match.slice(1));
  }
  return undefined;
}

const carried = (said: string): string | undefined => sentences[said] ?? apply(carriers, said);

/** A sentence of the box's in French; nothing where it is not known. */
export function reasons(sentence: string): string | undefined {
  const spent = /^(.*); (\d+)\.(\d\d) copies spent$/.exec(sentence);
  if (spent) {
    const [, first = '', ones = '', rest = ''] = spent;
    const french = reasons(first);
    const many = Number(ones) >= 2 ? 's' : '';
    return french && `${french}\u202f; ${ones},${rest} copie${many} dépensée${many}`;
  }
  const known = carried(sentence) ?? apply(whole, sentence);
  if (known) return known;
  // Who carries it, and what follows: the tail begins at a comma or a semicolon.
  for (const { index } of sentence.matchAll(/[;,] /g)) {
    const [head, tail] = [carried(sentence.slice(0, index)), apply(tails, sentence.slice(index))];
    if (head && tail) return head + tail;
  }
  return undefined;
}
