import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { mockBox } from './mock/vite.ts';

export default defineConfig({
  plugins: [svelte(), mockBox()],
  build: {
    target: 'es2022',
    // The page's policy is `default-src 'self'`: nothing inline, no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // Under Vitest Svelte must resolve to its browser half, or runes would not react.
  ...(process.env.VITEST ? { resolve: { conditions: ['browser'] } } : {}),
  test: {
    include: ['src/**/*.test.ts', 'mock/**/*.test.ts'],
    environment: 'node',
  },
});
