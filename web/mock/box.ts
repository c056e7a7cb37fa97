/** A box in memory that answers the admin API as the real one does, and lives. */
import type {
  BoardView,
  BoxInfo,
  HistoryView,
  LogLine,
  Overview,
  Settings,
  Share,
  SourceView,
  Stage,
  SystemView,
  Token,
  Upload,
} from '../src/api/types.ts';
import type { Browser } from './account.ts';
import { reach } from './kit.ts';
import { enter, hash, live, note, upstream, type Life } from './life.ts';
import { someLog } from './machine.ts';
import { program } from './system.ts';

export const SETUP_CODE = 'SEED-2026';

/** What can be made to go wrong, on demand. */
export interface Faults {
  /** So many chunks are cut off after half of their bytes. */
  cutChunks: number;
  /** So many chunks are stored, and their answer is lost. */
  loseAnswers: number;
  /** So many chunks are refused because an earlier, dead request still holds the file. */
  busyChunks: number;
  /** So many chunks lose a byte on their way. */
  damageChunks: number;
  /** Nothing fits any more. */
  diskFull: boolean;
  /** The box answers nothing at all. */
  away: boolean;
}

interface Sending {
  name: string;
  /** What the request that began it was called. */
  key: string | null;
  upload: Upload;
}

/** Bytes per second of a box without a limit, as pretended. */
const LINE = 2_500_000;

/** Bytes free for uploads, as pretended. */
const FREE = 48e9;

export class MockBox {
  readonly faults: Faults = {
    cutChunks: 0,
    loseAnswers: 0,
    busyChunks: 0,
    damageChunks: 0,
    diskFull: false,
    away: false,
  };
  info: Omit<BoxInfo, 'signed_in'> = {
    name: 'semoir',
    version: '0.1.0-mock',
    claimed: false,
    public_port: 6880,
    public_host: null,
  };
  settings: Settings = {
    box_name: null,
    upstream_cap: 1_250_000,
    relays: 3,
    trackers: [],
    public_host: null,
    keep: false,
    generous: false,
    schedule: [],
    time_zone: null,
    monthly_quota: null,
    quota_reset_day: 1,
    quota_reserve: 10,
    guard: true,
    public_title: null,
    public_description: null,
    public_index: true,
    public_robots: false,
    public_forward: false,
    copyright_contact: null,
    uploads_to: null,
  };
  /** How the board is. */
  board: BoardView = { strains: [], celsius: 51 };
  sources: SourceView[] = [
    source(1, 'Uploads', 'uploads', { free: FREE, auto_share: true }),
    source(3, 'Films', 'drive', {
      note: 'it was pulled out while something was being written to it: what was written last may be missing or broken',
      file_system: 'exfat',
      size: 32_010_928_128,
      model: 'SanDisk Ultra',
    }),
    source(2, '/media/archive', 'folder'),
  ];
  readonly shares = new Map<number, Share & { password: string }>();
  readonly lives = new Map<number, Life>();
  readonly uploads = new Map<string, Sending>();
  readonly sessions = new Map<string, Browser>();
  readonly tokens = new Map<number, Token>();
  readonly watchers = new Set<(changed: boolean) => void>();
  readonly log: LogLine[];
  /** The whole system, where it is one. */
  system: SystemView = program(this.info.version);
  /** Whether something starts it again when it ends. */
  supervised = true;
  /** Since when it runs. */
  started: number;
  password = '';
  wrongTries = 0;
  /** What left over time, since the mock began. */
  history: HistoryView;
  private last = 0;
  private counter = 0;

  constructor(
    /** Seconds since 1970. */
    public now: number,
  ) {
    this.started = now - 90_000;
    this.log = someLog(Math.floor(now) - 600);
    this.history = blank(now);
  }

  /** Another number, never the same. */
  next(): number {
    this.counter += 1;
    return this.counter;
  }

  /** Lets time pass until `now`. */
  pass(now: number): void {
    const seconds = now - this.now;
    this.now = now;
    const lives = [...this.lives.values()];
    const busy = lives.filter(({ view }) => view.stage === 'spreading').length;
    const cap = (this.settings.upstream_cap ?? LINE) / Math.max(1, busy);
    for (const life of lives) live(life, Math.floor(now), seconds, cap);
    if (Math.floor(now) !== this.last) {
      const { rate, peers } = upstream(this.lives.values(), this.settings, now);
      note(this.history, Math.floor(now), { rate, peers, relays: 0, availability: 0 });
    }
    if (Math.floor(now) !== this.last) this.tell();
    this.last = Math.floor(now);
  }

  /** Something changed: every open stream hears of it. */
  tell(): void {
    for (const watcher of this.watchers) watcher(false);
  }

  /** Settings, sessions or tokens changed: every open stream hears of it. */
  changed(): void {
    for (const watcher of this.watchers) watcher(true);
  }

  overview(): Overview {
    const releases = [...this.lives.values()]
      .map(({ view }) => view)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return structuredClone({
      at: Math.floor(this.now),
      releases,
      sources: this.sources.map((source) => ({
        ...source,
        releases: releases.filter((release) => release.source === source.id).length,
      })),
      upstream: upstream(this.lives.values(), this.settings, this.now),
      reach: reach(),
      board: this.board,
    });
  }

  /** A release appears. */
  add(name: string, source: number, files: { path: string; length: number }[]): Life {
    const id = this.next();
    const at = Math.floor(this.now);
    const life: Life = {
      view: {
        id,
        source,
        name,
        stage: 'found',
        reason: '',
        since: at,
        size: files.reduce((sum, { length }) => sum + length, 0),
        files: files.length,
        hashed: 0,
        info_hash: null,
        piece_length: null,
        pieces: null,
        magnet: null,
        copies_spent: 0,
        payload_bytes: 0,
        wire_bytes: 0,
        rate: 0,
        peers: 0,
        relays: 0,
        proven: 0,
        claimed: 0,
        availability: 0,
      },
      // The path inside a release that is one file is empty.
      files: files.map((file) => (files.length === 1 && file.path === name ? { ...file, path: '' } : file)),
      decisions: [],
      history: blank(this.now),
      resume: 'hashing',
      settings: {
        relays: null,
        keep: null,
        generous: null,
        sustain: null,
        patience: null,
        proven: null,
        missed: null,
        apart: null,
        fresh: null,
        forget: null,
        reach: null,
        dwell: null,
        monthly_budget: null,
      },
    };
    enter(life, 'found', 'it was found; press Share to share it', at);
    this.lives.set(id, life);
    this.tell();
    return life;
  }

  share(life: Life): string | undefined {
    const { stage, name } = life.view;
    if (stage !== 'found' && stage !== 'failed') return `“${name}” is shared already.`;
    hash(life, Math.floor(this.now));
    this.tell();
    return undefined;
  }

  pause(life: Life): string | undefined {
    if (life.view.stage === 'paused') return `“${life.view.name}” is paused already.`;
    life.resume = life.view.stage as Stage;
    enter(life, 'paused', 'you paused it', Math.floor(this.now));
    Object.assign(life.view, { peers: 0 });
    this.tell();
    return undefined;
  }

  resume(life: Life): string | undefined {
    if (life.view.stage !== 'paused') return `“${life.view.name}” is not paused.`;
    enter(life, life.resume, 'you resumed it', Math.floor(this.now));
    this.tell();
    return undefined;
  }
}

/** A source that is here. */
export function source(id: number, name: string, kind: string, more: Partial<SourceView> = {}): SourceView {
  return {
    id,
    name,
    kind,
    present: true,
    problem: '',
    note: '',
    left_out: null,
    free: null,
    auto_share: false,
    file_system: null,
    size: null,
    model: null,
    built_in: false,
    can_forget: false,
    uploads_key: null,
    ...more,
  };
}

/** What is said of a drive that was not plugged in by anybody. */
export const NOT_APPROVED = 'it is built into this computer, and is used only when its owner says so';

/** Drives and a share in every state, and a board that is not well. */
export function plug(box: MockBox): void {
  const drive = (id: number, name: string, more: Partial<SourceView>): SourceView =>
    source(id, name, 'drive', { file_system: 'exfat', size: 64e9, model: 'Grain Stick', ...more });
  const unclean =
    'it was pulled out while something was being written to it: what was written last may be missing or broken';
  box.sources = [
    ...box.sources.filter(({ id }) => id < 10),
    drive(11, 'CINEMA', {
      left_out: { why: 'cannot look at Reel 4: Input/output error (os error 5)', others: 2 },
    }),
    drive(12, 'Harvest', { note: unclean, file_system: 'ext4', size: 4e12, model: 'Barn Disk 4000' }),
    drive(13, 'Old tapes', { present: false, can_forget: true, problem: 'it is not plugged in' }),
    drive(17, 'Cellar', { present: false, built_in: true, problem: NOT_APPROVED }),
    drive(14, 'Locked', {
      present: false,
      problem: 'it is encrypted (LUKS), which Semoir cannot open',
      file_system: null,
    }),
    drive(15, 'Silo', { file_system: 'ext4', uploads_key: 'ext4-silo', free: 58e9, auto_share: true }),
    source(16, 'nas/films', 'share', {
      present: false,
      can_forget: true,
      problem: 'it is not connected',
      file_system: 'cifs',
    }),
  ];
  box.board = {
    strains: [
      { kind: 'undervoltage', reason: 'the power supply gives too little voltage' },
      { kind: 'heat', reason: 'the board is too hot, 86 °C' },
    ],
    celsius: 86,
  };
  box.tell();
}

function blank(now: number): HistoryView {
  return { since: Math.floor(now), step: 5, at: [], rate: [], peers: [], relays: [], copies: [] };
}

/** A box in the middle of its life, to look at: every stage once. */
export function furnish(box: MockBox): void {
  const film = (name: string, gigabytes: number): Life =>
    box.add(name, 2, [
      { path: `${name}.mkv`, length: gigabytes * 1e9 },
      { path: `${name}.srt`, length: 84_211 },
    ]);
  film('Harvest of the Windswept Plain (1931)', 1.4);
  const at = (name: string, megabytes: number, until: Stage): Life => {
    const life = box.add(name, 2, [{ path: name, length: megabytes * 1e6 }]);
    hash(life, box.now - 7200);
    for (let second = 7200; second > 0 && life.view.stage !== until; second -= 1) {
      live(life, Math.floor(box.now) - second, 1, LINE);
    }
    return life;
  };
  at('Field recordings, spring 2024', 620, 'retired');
  at('Lecture 07: Soil and seed.mp4', 900, 'supporting');
  at('Orchard atlas', 2400, 'spreading');
  box.share(film('Threshing day', 21));
  box.pause(at('Seed catalogue scans', 310, 'retired'));
  enter(film('Old barn tapes', 0.7), 'absent', 'its drive is not plugged in', Math.floor(box.now) - 4000);
  const broken = film('Damaged reel', 0.3);
  enter(
    broken,
    'failed',
    '“Damaged reel.mkv” cannot be read: input/output error',
    Math.floor(box.now) - 90_000,
  );
  box.tell();
}
