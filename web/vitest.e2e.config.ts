import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** A box at BASE_URL is claimed by the story of `page`, so that is told first. */
class PageFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): string =>
      `${moduleId.endsWith('/page.e2e.ts') ? 0 : 1} ${moduleId}`;
    return Promise.resolve(files.toSorted((a, b) => (place(a) < place(b) ? -1 : 1)));
  }
}

export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    // Vitest itself writes BASE_URL in the tests' environment.
    env: { BOX_URL: process.env.BASE_URL ?? '' },
    // The steps are one story told in order: a box is claimed once.
    fileParallelism: false,
    sequence: { sequencer: PageFirst },
    bail: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
