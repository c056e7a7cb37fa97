/** Calls to the box, typed by its OpenAPI document. */
import { Refused, Unreachable } from './errors';
import type { components, paths } from './schema';
import { sendFile, type SendFile } from './sending';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The methods a path really has: the others are `never` in the document's types. */
type MethodOf<P extends keyof paths> = {
  [M in Method]: paths[P] extends Record<M, infer O> ? (O extends { responses: unknown } ? M : never) : never;
}[Method];

type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Json<T> = T extends { content: { 'application/json': infer B } } ? B : undefined;
type Responses<O> = O extends { responses: infer R } ? R : never;
type Success<R> = { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? Json<R[S]> : never }[keyof R];
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B : undefined;

export interface Options<B> {
  /** What the path's `{…}` stand for. */
  path?: Record<string, string | number>;
  /** What follows `?`. */
  query?: Record<string, string | number>;
  body?: B;
  /** The tag of what a change is made for; with another one now, it is refused with 412. */
  ifMatch?: string;
  /** What this request is called when it is made again because no answer came: it is carried out once. */
  key?: string;
  /** How long it may take, in milliseconds, where that is longer than usual. */
  patience?: number;
  signal?: AbortSignal;
}

/** An answer with the tag that its ETag header gives it; empty without one. */
export interface Tagged<T> {
  body: T;
  tag: string;
}

/** How long an ordinary call may take before it counts as lost, in milliseconds. Hashing a password on a small board takes a second or two. */
const CALL_TIMEOUT_MS = 20_000;

/** How long a call may take that waits for a disk, in milliseconds: the box gives a drive six minutes to be formatted. */
export const DISK_TIMEOUT_MS = 400_000;

/** How long one chunk may take, in milliseconds: 8 MiB at 70 kB/s, below any Wi-Fi worth using. */
const CHUNK_TIMEOUT_MS = 120_000;

export class Client {
  /** Called when the box says that the session is over. */
  onSignedOut: () => void = () => undefined;

  constructor(
    private readonly fetch: typeof globalThis.fetch = (...request) => globalThis.fetch(...request),
    private readonly put: SendFile = sendFile,
  ) {}

  /** Makes one call. Throws `Refused`, `Unreachable`, or the signal's own reason. */
  async call<P extends keyof paths, M extends Method>(
    method: M & MethodOf<P>,
    path: P,
    options: Options<Body<Operation<P, M>>> = {},
  ): Promise<Success<Responses<Operation<P, M>>>> {
    return (await this.tagged(method, path, options)).body;
  }

  /** As `call`, with the tag of the answer. */
  async tagged<P extends keyof paths, M extends Method>(
    method: M & MethodOf<P>,
    path: P,
    options: Options<Body<Operation<P, M>>> = {},
  ): Promise<Tagged<Success<Responses<Operation<P, M>>>>> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (options.ifMatch !== undefined) headers['if-match'] = options.ifMatch;
    if (options.key !== undefined) headers['idempotency-key'] = options.key;
    const init: RequestInit = { method: (method as Method).toUpperCase(), headers };
    if (options.body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(options.body);
    }
    const answer = await this.send(
      fill(path, options),
      init,
      options.patience ?? CALL_TIMEOUT_MS,
      options.signal,
    );
    return answer as Tagged<Success<Responses<Operation<P, M>>>>;
  }

  /** Sends the next bytes of a file of an upload, with their Content-Digest. Answers how many bytes of it the box then has. */
  async putChunk(
    upload: string | number,
    index: number,
    offset: number,
    chunk: Uint8Array<ArrayBuffer>,
    digest: string,
    signal: AbortSignal,
  ): Promise<number> {
    const url = fill('/api/v1/uploads/{id}/files/{index}', {
      path: { id: upload, index },
      query: { offset },
    });
    const headers = { 'content-type': 'application/octet-stream', 'content-digest': digest };
    const answer = await this.send(url, { method: 'PUT', body: chunk, headers }, CHUNK_TIMEOUT_MS, signal);
    return receivedOf(answer.body) ?? offset + chunk.length;
  }

  /** Sends an update whole. Answers when the box has looked at it; how long that takes depends on the line and the card. */
  async putUpdate(
    file: Blob,
    told: (sent: number) => void,
    signal: AbortSignal,
  ): Promise<components['schemas']['UpdateView']> {
    let response: Response;
    try {
      response = await this.put('/api/v1/box/update', file, told, signal);
    } catch {
      signal.throwIfAborted();
      throw new Unreachable();
    }
    if (!response.ok) throw await this.refusal(response);
    return (await response.json()) as components['schemas']['UpdateView'];
  }

  /** Opens the stream of events. Answers its bytes. */
  async events(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.reach('/api/v1/events', { headers: { accept: 'text/event-stream' }, signal });
    if (!response.ok || !response.body) throw await this.refusal(response);
    return response.body;
  }

  private async send(
    url: string,
    init: RequestInit,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<Tagged<unknown>> {
    const limit = AbortSignal.timeout(timeout);
    const response = await this.reach(url, {
      ...init,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (!response.ok) throw await this.refusal(response);
    const tag = response.headers.get('etag') ?? '';
    if (response.status === 202 || response.status === 204) return { body: undefined, tag };
    try {
      return { body: (await response.json()) as unknown, tag };
    } catch {
      signal?.throwIfAborted();
      throw new Unreachable();
    }
  }

  private async reach(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.fetch(url, { ...init, credentials: 'same-origin', cache: 'no-store' });
    } catch (error) {
      // A call that the page itself gave up is no fault of the line.
      if (init.signal?.aborted && !(error instanceof DOMException && error.name === 'TimeoutError'))
        throw error;
      throw new Unreachable();
    }
  }

  private async refusal(response: Response): Promise<Refused> {
    let body: unknown;
    try {
      body = await response.json();
    } catch {
      body = undefined;
    }
    const isSignIn = new URL(response.url || 'http://box/', 'http://box').pathname.endsWith('/session');
    if (response.status === 401 && !isSignIn) this.onSignedOut();
    return new Refused(response.status, textOf(body, 'detail'), body);
  }
}

/** The byte count in a body `{received}`, as a chunk's answer and its conflict both carry it. */
export function receivedOf(body: unknown): number | undefined {
  const value = field(body, 'received');
  return typeof value === 'number' ? value : undefined;
}

function textOf(body: unknown, key: string): string {
  const value = field(body, key);
  return typeof value === 'string' ? value : '';
}

function field(body: unknown, key: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[key] : undefined;
}

function fill(path: string, { path: parts = {}, query }: Pick<Options<never>, 'path' | 'query'>): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''));
  if (!query) return filled;
  return `${filled}?${new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString()}`;
}
