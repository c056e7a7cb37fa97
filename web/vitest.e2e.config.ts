import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    // The steps are one story told in order: a box is claimed once.
    fileParallelism: false,
    bail: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
