/** How a form of the settings saves what it collected: whoever holds the form says. */
import { getContext, setContext } from 'svelte';
import type { Settings, SettingsPatch } from '../../api/types';

export type Save = (patch: SettingsPatch) => Promise<Settings>;

const SAVE = Symbol('save');

/** Called while the holder is made. */
export function offerSave(save: Save): void {
  setContext(SAVE, save);
}

/** Called while the form is made. */
export function offeredSave(): Save {
  return getContext<Save>(SAVE);
}
