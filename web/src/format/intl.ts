/**
 * The browser's own formatters, each made once: to make one costs as much as hundreds of uses, and one view of twenty
 * releases uses them so often that a slow computer stood still for a third of a second.
 */
import { locale } from '../i18n';

/** Makes formatters of one kind in the reader's language, and keeps them. Forms are few: each is written in the code. */
function kept<Form, Formatter>(
  Kind: new (locale: string, form: Form) => Formatter,
): (form: Form) => Formatter {
  const made = new Map<string, Formatter>();
  return (form) => {
    const key = locale + JSON.stringify(form);
    let formatter = made.get(key);
    if (!formatter) {
      formatter = new Kind(locale, form);
      made.set(key, formatter);
    }
    return formatter;
  };
}

export const numbers = kept<Intl.NumberFormatOptions, Intl.NumberFormat>(Intl.NumberFormat);

export const times = kept<Intl.DateTimeFormatOptions, Intl.DateTimeFormat>(Intl.DateTimeFormat);
