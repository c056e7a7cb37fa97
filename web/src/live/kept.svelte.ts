/** The settings as every form on the page shares them, so that what is set on another page meanwhile is seen, and not overwritten. */
import type { Client } from '../api/client';
import { Refused } from '../api/errors';
import type { Settings, SettingsPatch } from '../api/types';
import { t } from '../i18n';

/** How often a change is tried while others change other settings in between. */
const TRIES = 3;

/** The settings a change touches, that are not any more what it was made for. */
export function changedIn(fields: readonly (keyof Settings)[], base: Settings, now: Settings): boolean {
  return fields.some((field) => JSON.stringify(base[field]) !== JSON.stringify(now[field]));
}

export class KeptSettings {
  /** As they are, as far as the page knows. */
  now = $state.raw<Settings>();

  private tag = '';

  constructor(private readonly client: Client) {}

  /** Reads them, for the first time or again. */
  async load(): Promise<void> {
    const { body, tag } = await this.client.tagged('get', '/api/v1/settings');
    // The same settings stay the same object, so that nothing that shows them is drawn anew.
    if (tag !== this.tag || tag === '') this.take(body, tag);
  }

  /**
   * Changes some of them, if those still are what they are in `base`. Throws what the client throws, and a refusal of 412
   * when they are not; whatever else was changed elsewhere stays so.
   */
  async save(patch: SettingsPatch, base: Settings): Promise<Settings> {
    const fields = Object.keys(patch) as (keyof Settings)[];
    for (let tries = 1; ; tries += 1) {
      if (this.now && changedIn(fields, base, this.now))
        throw new Refused(412, t.settings.elsewhere, undefined);
      try {
        const { body, tag } = await this.client.tagged('patch', '/api/v1/settings', {
          body: patch,
          ifMatch: this.tag,
        });
        this.take(body, tag);
        return body;
      } catch (error) {
        if (!(error instanceof Refused && error.status === 412 && tries < TRIES)) throw error;
        await this.load();
      }
    }
  }

  private take(settings: Settings, tag: string): void {
    this.now = settings;
    this.tag = tag;
  }
}
