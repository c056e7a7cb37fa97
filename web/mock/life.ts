/** How a pretended release lives: hashes, spreads, is carried by others, retires. Pure: time is an argument. */
import type {
  HistoryView,
  Overview,
  PiecesView,
  QuotaView,
  ReleaseDetail,
  ReleaseSettings,
  ReleaseView,
  Settings,
  Stage,
} from '../src/api/types.ts';

/** Bytes per second that the pretended box hashes. */
const HASH_RATE = 60e6;

/** Copies out there at which the pretended swarm holds its own, and relays seen then. */
const CARRIED = 1;

/** Relays that the pretended box wants. */
const RELAYS = 3;

/** Seconds from carried to retired. */
const WATCH_SECONDS = 20;

export interface Life {
  view: ReleaseView;
  files: ReleaseDetail['files'];
  decisions: ReleaseDetail['decisions'];
  /** What its swarm was like. */
  history: HistoryView;
  /** The stage to go on in after a pause. */
  resume: Stage;
  /** What its owner wants of it. */
  settings: ReleaseSettings;
}

/** A stable pretended info hash. */
export function infoHash(id: number): string {
  let state = id * 2_654_435_761;
  return Array.from({ length: 40 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 28).toString(16);
  }).join('');
}

/** Those who hold a pretended release: its relays, and one that a tracker speaks of. */
export function carriers(life: Life, now: number): ReleaseDetail['carriers'] {
  const { relays, peers } = life.view;
  const seen = Array.from({ length: relays }, (_, place) => ({
    addr: `203.0.113.${7 + place}:6881`,
    level: 'proven',
    witness: 'probe',
    first: now - 5400 + 600 * place,
    last: place < peers ? now : now - 240,
    connected: place < peers,
  }));
  const claimed = {
    addr: '[2001:db8::17]:51413',
    level: 'claimed',
    witness: 'tracker',
    first: null,
    last: null,
    connected: false,
  };
  return relays > 0 ? [...seen, claimed] : [];
}

/** Points of a history at most, as pretended. */
const POINTS = 360;

/** Notes what a swarm, or all of them, are like. */
export function note(
  history: HistoryView,
  now: number,
  { rate, peers, relays, availability }: Pick<ReleaseView, 'rate' | 'peers' | 'relays' | 'availability'>,
): void {
  if (now - (history.at.at(-1) ?? -Infinity) < history.step) return;
  const put = (column: number[], value: number): void => {
    column.push(value);
    if (column.length > POINTS) column.shift();
  };
  put(history.at, now);
  put(history.rate, rate);
  put(history.peers, peers);
  put(history.relays, relays);
  put(history.copies, availability);
}

/** Where the pieces of a pretended release are: spread as if dealt out, the last ones on their way. */
export function pieceMap({ view }: Life): PiecesView {
  const pieces = view.pieces ?? 0;
  const perCell = Math.max(1, Math.ceil(pieces / 4096));
  const cells = Math.ceil(pieces / perCell);
  const copies = view.peers > 0 ? view.availability : 0;
  let held = 0;
  let offered = 0;
  let map = '';
  for (let cell = 0; cell < cells; cell += 1) {
    // A number from 0 to 1 that looks random, and is the same for each cell every time.
    const rank = ((cell * 2_654_435_761) >>> 0) / 2 ** 32;
    const holders = Math.floor(copies) + (rank < copies % 1 ? 1 : 0);
    const isOffered = holders === 0 && view.stage === 'spreading' && rank < (copies % 1) + 0.02;
    map += holders > 0 ? String(Math.min(9, holders)) : isOffered ? 'o' : '.';
    const here = Math.min(perCell, pieces - cell * perCell);
    if (holders > 0) held += here;
    else if (isOffered) offered += here;
  }
  return { pieces, per_cell: pieces > 0 ? perCell : 0, cells: map, held, offered };
}

export function enter(life: Life, stage: Stage, reason: string, now: number): void {
  Object.assign(life.view, { stage, reason, since: now, rate: 0 });
  life.decisions = [{ at: now, stage, reason }, ...life.decisions];
}

/** Lets `seconds` pass for one release; `cap` is what all may send. */
export function live(life: Life, now: number, seconds: number, cap: number): void {
  const { view } = life;
  if (view.peers > 0) note(life.history, now, view);
  switch (view.stage) {
    case 'hashing':
      view.hashed = Math.min(view.size, view.hashed + HASH_RATE * seconds);
      if (view.hashed >= view.size) hashed(life, now);
      break;
    case 'ready':
      enter(life, 'spreading', 'nobody else holds it yet', now);
      break;
    case 'spreading':
      view.peers = Math.min(9, view.peers + 1);
      send(view, seconds, cap);
      view.availability =
        view.size > 0
          ? Math.min(view.availability + (view.rate * CONTENT * seconds) / view.size, 1.4)
          : CARRIED;
      if (view.availability >= CARRIED)
        enter(life, 'supporting', 'others hold every piece together; watching them', now);
      break;
    case 'supporting':
      view.relays = Math.min(RELAYS, Math.floor((now - view.since) / (WATCH_SECONDS / RELAYS)));
      view.proven = view.relays;
      view.availability = CARRIED + view.relays;
      send(view, seconds, cap / 20);
      if (view.relays >= RELAYS)
        enter(
          life,
          'retired',
          `stopped: ${RELAYS} others hold every piece (203.0.113.7 and ${RELAYS - 1} more, each seen twice, one proven)`,
          now,
        );
      break;
    default:
      view.rate = 0;
  }
}

/** What happens to a release whose owner asks for it to be shared. */
export function hash(life: Life, now: number): void {
  enter(life, 'hashing', 'reading and hashing the files', now);
}

function hashed(life: Life, now: number): void {
  const { view } = life;
  const piece = 256 * 1024;
  const hashOf = infoHash(view.id);
  Object.assign(view, {
    hashed: view.size,
    info_hash: hashOf,
    piece_length: piece,
    pieces: Math.max(1, Math.ceil(view.size / piece)),
    magnet: `magnet:?xt=urn:btih:${hashOf}&dn=${encodeURIComponent(view.name)}&tr=${encodeURIComponent('http://127.0.0.1:6880/announce')}`,
  });
  enter(life, 'ready', 'hashed; seeding begins', now);
}

/** Of what leaves the box, so much is content: the rest is what carries it. */
const CONTENT = 0.96;

/** What a release may cost the pretended box at most, in copies. */
const SPENT_AT_MOST = 1.06;

function send(view: ReleaseView, seconds: number, cap: number): void {
  const left = Math.max(0, SPENT_AT_MOST * view.size - view.payload_bytes);
  const wanted = cap * (0.85 + 0.15 * Math.sin(view.id + view.payload_bytes / 1e6));
  view.rate = seconds > 0 ? Math.round(Math.min(wanted, left / seconds / CONTENT)) : 0;
  view.payload_bytes += Math.round(view.rate * seconds * CONTENT);
  view.wire_bytes += Math.round(view.rate * seconds);
  view.copies_spent = view.size > 0 ? view.payload_bytes / view.size : 0;
}

/** What leaves the box in all. */
export function upstream(lives: Iterable<Life>, settings: Settings, now: number): Overview['upstream'] {
  let rate = 0;
  let peers = 0;
  let used = 0;
  for (const { view } of lives) {
    rate += view.rate;
    peers += view.peers;
    used += view.wire_bytes;
  }
  const cap = settings.upstream_cap ?? null;
  return {
    cap,
    rate,
    peers,
    limit: cap === null ? 'no limit is set' : 'the limit you set',
    limited_by: cap === null ? 'none' : 'rate',
    limit_rate: cap,
    quota: quota(settings, used, now),
  };
}

/** The month's quota; the pretended box ignores it. */
function quota(settings: Settings, used: number, now: number): QuotaView | null {
  const of = settings.monthly_quota;
  if (of === null) return null;
  const today = new Date(now * 1000);
  const ahead = today.getDate() < settings.quota_reset_day ? 0 : 1;
  const anew = new Date(today.getFullYear(), today.getMonth() + ahead, settings.quota_reset_day);
  return { used, of, share: used / of, resets_at: Math.floor(anew.getTime() / 1000) };
}
