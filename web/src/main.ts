import { mount } from 'svelte';

import App from './App.svelte';
import { locale, speak } from './i18n';
import { box } from './page.svelte';
import { load, wanted } from './screens';
import './style/tokens.css';
import './style/base.css';

/** The box went away in the middle of it: a browser asks for a script that did not come only when the page is new. */
const AGAIN_MS = 3000;

/** How long the first view waits for the box, in milliseconds: what is drawn before its answer is mostly drawn for nothing. */
const PATIENCE_MS = 250;

try {
  // Words and box are asked at once. A view that did not load is asked for again by the page, which says so.
  const answered = box
    .start()
    .then(() => {
      const opening = wanted();
      return opening && load(opening);
    })
    .catch(() => undefined);
  await speak(navigator.languages);
  document.documentElement.lang = locale;
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS));
  const opening = await Promise.race([answered, late]);
  const target = document.getElementById('app');
  if (!target) throw new Error('the document has no place for the page');
  mount(App, { target, props: { opening } });
} catch (error) {
  setTimeout(() => location.reload(), AGAIN_MS);
  throw error;
}
