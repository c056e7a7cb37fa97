/** The box as this page knows it: who may be here, and the live picture. */
import { Client } from '../api/client';
import type { BoxInfo, Overview } from '../api/types';
import { FIRST_WAIT_MS, Feed, LONGEST_WAIT_MS } from './feed';

/** What the page is for at the moment. */
export type Phase = 'starting' | 'claim' | 'sign-in' | 'in';

/** How long a hidden page goes on listening, in milliseconds: whoever looks something up in another tab misses nothing. */
export const HIDDEN_MS = 30_000;

export class Box {
  phase = $state<Phase>('starting');
  info = $state.raw<BoxInfo>();
  overview = $state.raw<Overview>();
  /** Whether the line is down. */
  lost = $state(false);
  /** Another number whenever settings, sessions or tokens may have changed: on another page, or while the line was down. */
  changes = $state(0);
  /** Whether the box is of another version than the one that gave out this page. */
  stale = $state(false);
  /** Whether the session ended without this page's doing. */
  ended = $state(false);

  readonly client: Client;
  private readonly feed: Feed<Overview>;
  private wait = FIRST_WAIT_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private hiding: ReturnType<typeof setTimeout> | undefined;
  private wasUp = false;

  constructor(client = new Client()) {
    this.client = client;
    client.onSignedOut = () => {
      if (this.phase !== 'in') return;
      this.leave();
      this.ended = true;
      // The box may have been reset: then there is nothing to sign in to.
      void this.look().catch(() => undefined);
    };
    this.feed = new Feed<Overview>(
      {
        fetch: (signal) => client.call('get', '/api/v1/overview', { signal }),
        open: (signal) => client.events(signal),
      },
      {
        picture: (overview) => {
          this.overview = overview;
        },
        up: () => {
          // It may be another version that is back.
          if (this.lost) void this.look().catch(() => undefined);
          this.lost = false;
          // What was read before the first time is as new as can be.
          if (this.wasUp) this.changes += 1;
          this.wasUp = true;
        },
        other: (event) => {
          if (event !== 'changed') return;
          this.changes += 1;
          // The name, or the address that links begin with.
          void this.look().catch(() => undefined);
        },
        down: () => {
          this.lost = true;
        },
      },
      'overview',
    );
  }

  /** Asks the box who may be here, again and again until it answers. */
  async start(): Promise<void> {
    clearTimeout(this.timer);
    try {
      await this.look();
      this.wait = FIRST_WAIT_MS;
    } catch {
      this.lost = true;
      this.timer = setTimeout(() => void this.start(), this.wait);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    }
  }

  /** Tries the line now. */
  hurry(): void {
    if (this.phase === 'starting') void this.start();
    else this.feed.hurry();
  }

  /** Nobody looks. A browser has six connections to a box for all its tabs, and one that is hidden keeps none of them for long. */
  hide(): void {
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => {
      this.feed.stop();
    }, HIDDEN_MS);
  }

  /** Somebody looks again. */
  show(): void {
    clearTimeout(this.hiding);
    // Whoever was away for long may find another version, or be signed out.
    if (this.phase === 'in' && !this.feed.running)
      void this.look().catch(() => {
        this.feed.start();
      });
    else if (this.lost) this.hurry();
  }

  /** Whether the code is right; throws where it is not. */
  async tryCode(code: string): Promise<void> {
    await this.client.call('post', '/api/v1/box/code', { body: { code } });
  }

  async claim(code: string, password: string): Promise<void> {
    await this.client.call('post', '/api/v1/box/claim', { body: { code, password } });
    await this.look();
  }

  async signIn(password: string): Promise<void> {
    await this.client.call('post', '/api/v1/session', { body: { password } });
    await this.look();
  }

  /** Whether all that the box has was found, and nothing of it was ever taken up: then its first run is not over. */
  async isNew(): Promise<boolean> {
    const { releases } = await this.client.call('get', '/api/v1/overview');
    return releases.length > 0 && releases.every(({ stage }) => stage === 'found');
  }

  async signOut(): Promise<void> {
    await this.client.call('delete', '/api/v1/session');
    this.leave();
  }

  /** Reads what anyone may know, and goes where it says. */
  async look(): Promise<void> {
    const info = await this.client.call('get', '/api/v1/box');
    this.stale ||= (this.info ?? info).version !== info.version;
    this.info = info;
    this.lost = false;
    this.phase = !info.claimed ? 'claim' : info.signed_in ? 'in' : 'sign-in';
    if (this.phase === 'in') {
      this.ended = false;
      this.feed.start();
    }
  }

  /** Forgets what only the owner may see. */
  private leave(): void {
    this.feed.stop();
    this.overview = undefined;
    this.lost = false;
    this.phase = 'sign-in';
  }
}
