/** The language of the page: `t.home.title`, `t.upload.left('3 min')`. */
import type { en } from './en';

type Loose<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...args: infer A) => string
      ? (...args: A) => string
      : Loose<T[K]>;
};

/** What a language must say. */
export type Messages = Loose<typeof en>;

/** Every language by its tag; only the one that is spoken is loaded. */
export const languages: Record<string, () => Promise<Messages>> = {
  en: async () => (await import('./en')).en,
  fr: async () => (await import('./fr')).fr,
};

/** The box's own sentences, which are English, in other languages; loaded with their words. */
const translations: Record<string, () => Promise<(sentence: string) => string | undefined>> = {
  fr: async () => (await import('./fr')).reasons,
};

let translate: ((sentence: string) => string | undefined) | undefined;

/** What the box says of itself, and the language that this is. */
export interface Said {
  text: string;
  lang: string;
}

/**
 * A sentence of the box's in the reader's language. What was decided is put into it here; what went wrong, and with it all
 * error details, the box itself says in the language that the browser asks for.
 */
export function said(sentence: string): Said {
  const text = translate?.(sentence);
  return { text: text ?? sentence, lang: locale };
}

/** The words in the language chosen; none before {@link speak} is done. */
export let t: Messages;

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
 * Speaks the reader's language from here on. Called once, before the page is drawn. Where its words do not arrive, English
 * is tried: a page that can be read is worth more than none.
 */
export async function speak(wanted: readonly string[]): Promise<void> {
  let language = pick(wanted);
  try {
    t = await words(language);
  } catch (error) {
    if (language === 'en') throw error;
    language = 'en';
    t = await words(language);
  }
  translate = await translations[language]?.();
  locale = wanted.find((tag) => base(tag) === language) ?? language;
}

function words(language: string): Promise<Messages> {
  return languages[language]?.() ?? Promise.reject(new Error(`nobody speaks ${language} here`));
}
