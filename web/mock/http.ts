/** The mock box's answers: a `Request` in, a `Response` out, so that Vite and Vitest use the same. */
import type {
  LoggedDecision,
  Problem,
  ReleaseDetail,
  ReleaseSettingsPatch,
  SettingsPatch,
  SystemView,
} from '../src/api/types.ts';
import { account } from './account.ts';
import { SETUP_CODE, furnish, plug, type MockBox } from './box.ts';
import { drives } from './drives.ts';
import { kit } from './kit.ts';
import { carriers, pieceMap } from './life.ts';
import { machine } from './machine.ts';
import { share } from './shares.ts';
import { system, whole } from './system.ts';
import { upload } from './uploads.ts';

/** Wrong passwords or codes before the box asks to wait. */
const TRIES = 5;

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  412: 'Precondition Failed',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  507: 'Insufficient Storage',
};

export function problem(status: number, detail: string, received: number | null = null): Response {
  const title = TITLES[status] ?? 'Error';
  const body: Problem = { type: 'about:blank', title, status, detail, received };
  return Response.json(body, { status, headers: { 'content-type': 'application/problem+json' } });
}

export function done(): Response {
  return new Response(null, { status: 204 });
}

/** Answers one request. Throws a `TypeError` where the box is to be unreachable, as `fetch` does. */
export async function answer(box: MockBox, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const route = `${request.method} ${pathname.replace('/api/v1', '')}`;
  // The switches of the mock itself work also while the box is away.
  if (route === 'POST /mock/faults') {
    Object.assign(box.faults, await request.json());
    return done();
  }
  if (route === 'POST /mock/furnish') {
    furnish(box);
    return done();
  }
  if (route === 'POST /mock/plug') {
    plug(box);
    return done();
  }
  if (route === 'POST /mock/system') {
    whole(box, (await request.json()) as Partial<SystemView>);
    return done();
  }
  if (box.faults.away) throw new TypeError('the box is away');
  const token = /semoir_session=(\w+)/.exec(request.headers.get('cookie') ?? '')?.[1] ?? '';
  const signedIn = box.sessions.has(token);
  switch (route) {
    case 'GET /box':
      return Response.json({
        ...box.info,
        name: box.settings.box_name ?? box.info.name,
        public_host: box.settings.public_host,
        signed_in: signedIn,
      });
    case 'POST /box/code':
      return wrongCode(box, ((await request.json()) as { code: string }).code) ?? done();
    case 'POST /box/claim':
      return claim(box, request, (await request.json()) as { code: string; password: string });
    case 'POST /session':
      return signIn(box, request, (await request.json()) as { password: string });
  }
  if (!signedIn) return problem(401, 'Sign in first.');
  switch (route) {
    case 'DELETE /session':
      box.sessions.delete(token);
      box.tell();
      return done();
    case 'GET /overview':
      return Response.json(box.overview());
    case 'GET /events':
      return events(box, token, request.signal);
    case 'GET /settings':
      return tagged(box.settings);
    case 'PATCH /settings':
      return changeSettings(box, request, (await request.json()) as SettingsPatch);
    case 'POST /sources/rescan':
      return done();
    case 'GET /history':
      return Response.json(box.history);
    case 'GET /decisions':
      return decisions(box, new URL(request.url).searchParams);
  }
  const handed = /^GET \/releases\/(\d+)\/kit(?:\/([\w.]+))?$/.exec(route);
  if (handed)
    return kit(box, box.lives.get(Number(handed[1])), handed[2]) ?? problem(409, 'It is not shared.');
  const release = /^(GET|POST|DELETE) \/releases\/(\d+)(?:\/((?!settings$)\w+))?$/.exec(route);
  if (release) return releases(box, release[1] ?? '', Number(release[2]), release[3]);
  const source = /^PATCH \/sources\/(\d+)$/.exec(route)?.[1];
  if (source) return sourceRule(box, request, Number(source));
  const wishes = /^(GET|PATCH) \/releases\/(\d+)\/settings$/.exec(route);
  if (wishes) return releaseSettings(box, request, Number(wishes[2]));
  return (
    (await account(box, route, request, token)) ??
    (await machine(box, route, request)) ??
    (await system(box, route, request)) ??
    (await share(box, route, request)) ??
    (await upload(box, route, request)) ??
    (await drives(box, route, request)) ??
    problem(404, 'There is no such thing here.')
  );
}

function session(box: MockBox, request: Request): Response {
  const id = String(box.next());
  const token = `mock${id}`;
  const agent = request.headers.get('user-agent');
  box.sessions.set(token, { id, created: Math.floor(box.now), agent });
  box.changed();
  const cookie = `semoir_session=${token}; Path=/; HttpOnly; SameSite=Strict`;
  return new Response(null, { status: 204, headers: { 'set-cookie': cookie } });
}

function wrongCode(box: MockBox, code: string): Response | undefined {
  if (box.info.claimed) return problem(409, 'This box is claimed already.');
  if (box.wrongTries >= TRIES) return problem(429, 'Too many wrong codes. Wait a minute, then try again.');
  if (code === SETUP_CODE) return undefined;
  box.wrongTries += 1;
  return problem(403, 'That is not the setup code of this box.');
}

function claim(
  box: MockBox,
  request: Request,
  { code, password }: { code: string; password: string },
): Response {
  const wrong = wrongCode(box, code);
  if (wrong) return wrong;
  if (password.length < 8) return problem(422, 'The password is too short.');
  box.info.claimed = true;
  box.password = password;
  box.wrongTries = 0;
  return session(box, request);
}

function signIn(box: MockBox, request: Request, { password }: { password: string }): Response {
  if (box.wrongTries >= TRIES)
    return problem(429, 'Too many wrong passwords. Wait a minute, then try again.');
  if (!box.info.claimed || password !== box.password) {
    box.wrongTries += 1;
    return problem(401, 'That is not the password.');
  }
  box.wrongTries = 0;
  return session(box, request);
}

/** Another for another state. */
function tagOf(state: unknown): string {
  let sum = 7;
  for (const char of JSON.stringify(state)) sum = (sum * 31 + char.charCodeAt(0)) % 0x7fffffff;
  return `"${sum.toString(16)}"`;
}

/** A state with its tag. */
function tagged(state: unknown): Response {
  return Response.json(state, { headers: { etag: tagOf(state) } });
}

/** The refusal of a change that was made for another state. */
function outdated(request: Request, state: unknown): Response | undefined {
  const expected = request.headers.get('if-match');
  if (expected === null || expected === tagOf(state)) return undefined;
  return problem(
    412,
    'The settings were changed elsewhere meanwhile; look at them again before you change them.',
  );
}

function changeSettings(box: MockBox, request: Request, patch: SettingsPatch): Response {
  const refused = outdated(request, box.settings);
  if (refused) return refused;
  if (patch.relays !== undefined && (patch.relays < 1 || patch.relays > 50)) {
    return problem(422, 'Relays wanted must be from 1 to 50.');
  }
  box.settings = { ...box.settings, ...patch };
  box.tell();
  box.changed();
  return tagged(box.settings);
}

async function sourceRule(box: MockBox, request: Request, id: number): Promise<Response> {
  const source = box.sources.find((one) => one.id === id);
  if (!source) return problem(404, `There is no source ${id}.`);
  const wanted = (await request.json()) as { auto_share: boolean };
  source.auto_share = wanted.auto_share;
  box.tell();
  return Response.json(wanted);
}

/** The log of all releases. Its numbers are made up as it is read: what was decided last has the highest. */
function decisions(box: MockBox, query: URLSearchParams): Response {
  const all: LoggedDecision[] = [...box.lives.values()]
    .flatMap(({ view, decisions: own }) =>
      own.map((one) => ({ ...one, id: 0, release: view.id, name: view.name, removed: false })),
    )
    .sort((a, b) => a.at - b.at || a.release - b.release)
    .map((one, index) => ({ ...one, id: index + 1 }))
    .reverse();
  const before = Number(query.get('before') ?? Infinity);
  const limit = Math.min(100, Number(query.get('limit') ?? 100));
  return Response.json(all.filter(({ id }) => id < before).slice(0, limit));
}

async function releaseSettings(box: MockBox, request: Request, id: number): Promise<Response> {
  const life = box.lives.get(id);
  if (!life) return problem(404, `There is no release ${id}.`);
  if (request.method === 'PATCH') {
    const refused = outdated(request, life.settings);
    if (refused) return refused;
    const patch = (await request.json()) as ReleaseSettingsPatch;
    life.settings = { ...life.settings, ...patch };
    box.changed();
  }
  return tagged(life.settings);
}

function releases(box: MockBox, method: string, id: number, what: string | undefined): Response {
  const life = box.lives.get(id);
  if (!life) return problem(404, `There is no release ${id}.`);
  if (method === 'DELETE' && what === undefined) {
    box.lives.delete(id);
    box.tell();
    return done();
  }
  if (method === 'GET' && what === undefined) {
    const { view, files, decisions } = life;
    const detail: ReleaseDetail = {
      ...view,
      files: files.slice(0, 1000),
      total_files: files.length,
      carriers: carriers(life, Math.floor(box.now)),
      decisions,
    };
    return Response.json(detail);
  }
  if (method === 'GET' && what === 'history') return Response.json(life.history);
  if (method === 'GET' && what === 'pieces') return Response.json(pieceMap(life));
  if (method === 'GET' && what === 'torrent') {
    if (!life.view.info_hash) return problem(409, 'It is not hashed yet.');
    const headers = { 'content-type': 'application/x-bittorrent' };
    return new Response(`d4:infod4:name${life.view.name.length}:${life.view.name}ee`, { headers });
  }
  if (method === 'POST' && (what === 'share' || what === 'pause' || what === 'resume')) {
    const refusal = box[what](life);
    return refusal === undefined ? done() : problem(409, refusal);
  }
  return problem(404, 'There is no such thing here.');
}

function events(box: MockBox, token: string, signal: AbortSignal): Response {
  const text = new TextEncoder();
  let stop = (): void => undefined;
  const body = new ReadableStream<Uint8Array>({
    start(stream) {
      const write = (changed = false): void => {
        if (!box.sessions.has(token) || box.faults.away) {
          stop();
          stream.close();
          return;
        }
        if (changed) stream.enqueue(text.encode(`event: changed\ndata: 1\n\n`));
        stream.enqueue(text.encode(`event: overview\ndata: ${JSON.stringify(box.overview())}\n\n`));
      };
      stop = () => box.watchers.delete(write);
      signal.addEventListener('abort', stop, { once: true });
      box.watchers.add(write);
      stream.enqueue(text.encode(': here\n\n'));
      write();
    },
    cancel() {
      stop();
    },
  });
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  });
}
