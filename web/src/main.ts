import { mount } from 'svelte';

import App from './App.svelte';
import { locale, speak } from './i18n';
import './style/tokens.css';
import './style/base.css';

/** The box went away in the middle of it: a browser asks for a script that did not come only when the page is new. */
const AGAIN_MS = 3000;

try {
  await speak(navigator.languages);
  document.documentElement.lang = locale;
  const target = document.getElementById('app');
  if (!target) throw new Error('the document has no place for the page');
  mount(App, { target });
} catch (error) {
  setTimeout(() => location.reload(), AGAIN_MS);
  throw error;
}
