/** The settings that a form was made of: kept so that what is set on another page meanwhile is seen, and not overwritten. */
import type { Client } from '../api/client';
import { Refused } from '../api/errors';
import type { Settings, SettingsPatch } from '../api/types';

export class KeptSettings {
  /** What the form shows, as far as nobody typed. */
  shown = $state.raw<Settings>();
  /** What was set on another page since; none while that is what is shown. */
  newer = $state.raw<Settings>();

  private tag = '';
  private newerTag = '';

  constructor(
    private readonly client: Client,
    /** Puts settings into the form. */
    private readonly show: (settings: Settings) => void,
  ) {}

  /** Reads them for the first time. */
  async load(): Promise<void> {
    const { body, tag } = await this.client.tagged('get', '/api/v1/settings');
    this.take(body, tag);
  }

  /** Looks whether they were changed elsewhere. A form in which nobody typed follows. */
  async look(typed: boolean): Promise<void> {
    if (!this.shown) return;
    const { body, tag } = await this.client.tagged('get', '/api/v1/settings');
    if (tag === this.tag) {
      this.newer = undefined;
    } else if (typed) {
      this.newer = body;
      this.newerTag = tag;
    } else {
      this.take(body, tag);
    }
  }

  /** Changes them, if they still are what was shown. Throws what the client throws; after a 412 `newer` says why. */
  async save(patch: SettingsPatch): Promise<void> {
    try {
      const { body, tag } = await this.client.tagged('patch', '/api/v1/settings', {
        body: patch,
        ifMatch: this.tag,
      });
      this.take(body, tag);
    } catch (error) {
      if (error instanceof Refused && error.status === 412) await this.look(true);
      throw error;
    }
  }

  /** Shows what was set elsewhere; what was typed is gone. */
  follow(): void {
    if (this.newer) this.take(this.newer, this.newerTag);
  }

  /** Keeps what was typed: it was seen what it will overwrite. */
  stay(): void {
    if (!this.newer) return;
    this.shown = this.newer;
    this.tag = this.newerTag;
    this.newer = undefined;
  }

  private take(settings: Settings, tag: string): void {
    this.shown = settings;
    this.tag = tag;
    this.newer = undefined;
    this.show(settings);
  }
}
