import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

const source = join(import.meta.dirname, 'src');
const components = readdirSync(source, { recursive: true })
  .filter((file) => file.endsWith('.svelte'))
  .sort();

/**
 * The class that keeps a component's rules to itself: its place among all. Svelte's own is a hash of the rules, and what
 * looks random packs badly: it is a hundredth of the page.
 *
 * @type {import('svelte/compiler').CssHashGetter}
 */
const cssHash = ({ filename, hash }) => {
  const place = components.indexOf(relative(source, filename));
  // One that was written while the server of `npm run dev` runs.
  return place < 0 ? `new-${hash(filename)}` : `s${place.toString(36)}`;
};

/** @type {import('@sveltejs/vite-plugin-svelte').SvelteConfig} */
export default {
  preprocess: vitePreprocess(),
  compilerOptions: { runes: true, cssHash },
};
