/** The language of the page: `t.home.title`, `t.upload.left('3 min')`. */
import { en } from './en';

type Loose<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...args: infer A) => string
      ? (...args: A) => string
      : Loose<T[K]>;
};

/** What a language must say. */
export type Messages = Loose<typeof en>;

/** Every language by its tag; one that is not English is loaded only when it is spoken. */
export const languages: Record<string, () => Promise<Messages>> = {
  en: () => Promise.resolve(en),
  fr: async () => (await import('./fr')).fr,
};

/** The words in the language chosen. */
export let t: Messages = en;

/** The language chosen, for dates and numbers. */
export let locale = 'en-GB';

/** The language that a tag names, its region left out. */
function base(tag: string): string {
  return tag.toLowerCase().split('-')[0] ?? '';
}

/** The first of the wanted languages that we speak. */
export function pick(wanted: readonly string[], spoken: readonly string[] = Object.keys(languages)): string {
  for (const tag of wanted) {
    const match = spoken.find((language) => language === base(tag));
    if (match) return match;
  }
  return 'en';
}

/**
 * Speaks the reader's language from here on. Called once, before the page is drawn. Words that do not arrive (the box
 * went away meanwhile) leave English: a page that can be read is worth more than none.
 */
export async function speak(wanted: readonly string[]): Promise<void> {
  let language = pick(wanted);
  try {
    t = (await languages[language]?.()) ?? en;
  } catch {
    language = 'en';
    t = en;
  }
  locale = wanted.find((tag) => base(tag) === language) ?? language;
}
