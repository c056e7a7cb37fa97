/** Puts a mock box behind Vite's own servers, `npm run dev` and `npm run preview`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import type { Connect, Plugin } from 'vite';

import { MockBox, SETUP_CODE, furnish } from './box.ts';
import { answer } from './http.ts';
import { whole } from './system.ts';

/** How often the mock box lives a little, in milliseconds. */
const TICK_MS = 250;

/** The page's policy on the real box, held here too, so that a breach shows early. */
const POLICY = "default-src 'self'";

export interface Options {
  /** Whether the box has a life behind it, and not a fresh disk. */
  furnished?: boolean;
}

export function mockBox({ furnished = !process.env.MOCK_EMPTY }: Options = {}): Plugin {
  const use = (middlewares: Connect.Server): void => {
    const box = new MockBox(Date.now() / 1000);
    if (furnished) {
      furnish(box);
      whole(box);
    }
    setInterval(() => {
      box.pass(Date.now() / 1000);
    }, TICK_MS).unref();
    middlewares.use((request, response, next) => {
      if (!request.url?.startsWith('/api/')) {
        next();
        return;
      }
      serve(box, request, response).catch(() => {
        // The box is away, or the line was cut: no answer, as on a dead network.
        response.destroy();
      });
    });
  };
  return {
    name: 'semoir-mock-box',
    configureServer(server) {
      use(server.middlewares);
      server.config.logger.info(`  mock box: setup code ${SETUP_CODE}`);
    },
    configurePreviewServer(server) {
      server.middlewares.use((_, response, next) => {
        response.setHeader('content-security-policy', POLICY);
        next();
      });
      use(server.middlewares);
    },
  };
}

async function serve(box: MockBox, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.on('close', () => {
    gone.abort();
  });
  const method = incoming.method ?? 'GET';
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === 'string') headers.set(name, value);
  }
  const init: RequestInit & { duplex?: 'half' } = { method, headers, signal: gone.signal };
  if (method !== 'GET' && method !== 'HEAD') {
    init.body = Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>;
    init.duplex = 'half';
  }
  const response = await answer(
    box,
    new Request(`http://${incoming.headers.host ?? 'box.local'}${incoming.url ?? '/'}`, init),
  );
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (!response.body) {
    outgoing.end();
    return;
  }
  outgoing.flushHeaders();
  const body = Readable.fromWeb(response.body as unknown as NodeStream);
  body.on('error', () => outgoing.destroy());
  outgoing.on('close', () => body.destroy());
  body.pipe(outgoing);
}
