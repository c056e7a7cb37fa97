import { mount } from 'svelte';

import App from './App.svelte';
import { locale, speak } from './i18n';
import './style/tokens.css';
import './style/base.css';

await speak(navigator.languages);
document.documentElement.lang = locale;

const target = document.getElementById('app');
if (!target) throw new Error('the document has no place for the page');
mount(App, { target });
