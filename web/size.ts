/**
 * Weighs what was built, and packs it. The box sends the packed files, made once here, so that the small computer it is
 * never packs anything itself. Over plain HTTP browsers take gzip and not Brotli; Zopfli makes the same gzip a twenty-fifth
 * smaller, and takes its time once, here.
 */
import { gzipAsync } from '@gfx/zopfli';
import type { Plugin } from 'vite';

/** Script and style of the whole page as one reader loads it, packed, in KiB at most: every view, and one language. */
export const MOST_KIB = 90;

/** The words of one language. */
const LANGUAGE = /\/src\/i18n\/[a-z]{2}\.ts$/;

/** What is worth packing. */
const TEXT = /\.(js|css|html|svg)$/;

export function weigh(): Plugin {
  return {
    name: 'semoir-size',
    apply: 'build',
    generateBundle: {
      order: 'post',
      async handler(_, bundle) {
        let weight = 0;
        const languages: number[] = [];
        for (const file of Object.values(bundle)) {
          if (!TEXT.test(file.fileName)) continue;
          const source = Buffer.from(file.type === 'chunk' ? file.code : file.source);
          const packed = await gzipAsync(source, { numiterations: 15 });
          if (file.type === 'chunk' && LANGUAGE.test(file.facadeModuleId ?? ''))
            languages.push(packed.length);
          else if (/\.(js|css)$/.test(file.fileName)) weight += packed.length;
          this.emitFile({ type: 'asset', fileName: `${file.fileName}.gz`, source: packed });
        }
        if (languages.length < 2) this.error('the languages are not files of their own');
        weight += Math.max(...languages);
        const kib = (weight / 1024).toFixed(1);
        if (weight > MOST_KIB * 1024) {
          this.error(`script and style are ${kib} KiB packed, and may be ${MOST_KIB}`);
        }
        this.info(`script and style: ${kib} KiB packed, of ${MOST_KIB}`);
      },
    },
  };
}
