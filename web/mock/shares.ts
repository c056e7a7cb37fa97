/** The mock box's network shares. Servers whose name begins with `no` are not there; the password is `sesame`. */
import type { Share, SharePatch, ShareRequest } from '../src/api/types.ts';
import { source, type MockBox } from './box.ts';
import { done, problem } from './http.ts';

const ROUTE = /^(GET|POST|PATCH|DELETE) \/shares(?:\/(\d+)(\/try)?)?$/;

/** Seconds between two tries, as pretended. */
const RETRY = 60;

/** Answers what is asked of shares; nothing for any other route. */
export async function share(box: MockBox, route: string, request: Request): Promise<Response | undefined> {
  const [, method, number, now] = ROUTE.exec(route) ?? [];
  if (!method) return undefined;
  if (number === undefined) {
    if (method === 'GET') return Response.json([...box.shares.values()].map(shown));
    return method === 'POST' ? add(box, (await request.json()) as ShareRequest) : undefined;
  }
  const found = box.shares.get(Number(number));
  if (!found) return problem(404, `There is no source ${number}.`);
  if (now) return done();
  if (method === 'DELETE') {
    box.shares.delete(found.id);
    box.sources = box.sources.filter(({ id }) => id !== found.id);
    box.tell();
    box.changed();
    return done();
  }
  const patch = (await request.json()) as SharePatch;
  const merged = { ...found, ...patch } as ShareRequest;
  const password = patch.server && patch.server !== found.server ? patch.password : merged.password;
  return put(box, found.id, { ...merged, password: password ?? null }, 200);
}

function add(box: MockBox, wanted: ShareRequest): Response {
  const id = 100 + box.next();
  const { auto_share = false } = wanted;
  const added = source(id, '', 'share', { present: false, auto_share });
  return put(box, id, wanted, 201, () => box.sources.push(added));
}

/** What is told of a share: never its password. */
function shown({ password, ...share }: Share & { password: string }): Share {
  return { ...share, has_password: password !== '' };
}

function put(box: MockBox, id: number, wanted: ShareRequest, status: number, taken?: () => void): Response {
  const { protocol, server } = wanted;
  const folder = wanted.folder.replaceAll('\\', '/').replace(/^\/+|\/+$/g, '');
  if (!/^[\w.-]+(:\d+)?$/.test(server)) {
    return problem(422, 'The server is a name or an address, like nas.local or 192.168.1.7.');
  }
  if (!folder) return problem(422, 'Name the share, and the folder in it, like media/films.');
  const [user = '', domain = ''] = (wanted.user ?? '').split('\\').reverse();
  const password = user ? (wanted.password ?? '') : '';
  let why: string | null = null;
  if (server.startsWith('no'))
    why = 'no machine of that name was found in the network; it may be switched off';
  else if (user && password !== 'sesame') why = 'wrong user or password, or the user may not use this share';
  const share = {
    id,
    protocol,
    server,
    folder: protocol === 'nfs' ? `/${folder}` : folder,
    user: user || null,
    domain: domain || null,
    has_password: password !== '',
    state: why ? 'failing' : 'here',
    why,
    retry_at: why ? Math.floor(box.now) + RETRY : null,
    password,
  };
  taken?.();
  box.shares.set(id, share);
  const source = box.sources.find((one) => one.id === id);
  const name = `${server}${protocol === 'nfs' ? ':' : '/'}${share.folder}`;
  if (source) Object.assign(source, { name, present: !why, problem: why ?? '' });
  box.tell();
  box.changed();
  return Response.json(shown(share), { status });
}
