import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { mockBox } from './mock/vite.ts';
import { weigh } from './size.ts';

export default defineConfig({
  plugins: [svelte(), mockBox(), weigh()],
  build: {
    target: 'es2022',
    // The page's policy is `default-src 'self'`: nothing inline, no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One sheet: parts share most of their rules, and so it is smaller than the sum of theirs.
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        // What the first views and the later ones share has a name.
        codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
      },
    },
  },
  // Under Vitest Svelte must resolve to its browser half, or runes would not react.
  ...(process.env.VITEST ? { resolve: { conditions: ['browser'] } } : {}),
  test: {
    include: ['src/**/*.test.ts', 'mock/**/*.test.ts'],
    environment: 'node',
  },
});
