import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    // Vitest itself writes BASE_URL in the tests' environment.
    env: { BOX_URL: process.env.BASE_URL ?? '' },
    // The steps are one story told in order: a box is claimed once.
    fileParallelism: false,
    bail: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
