/** The mock box's account: the password, browsers that are signed in, tokens. */
import type { Scope, Session, Token } from '../src/api/types.ts';
import type { MockBox } from './box.ts';
import { done, problem } from './http.ts';

/** What the mock keeps of a browser. */
export interface Browser {
  id: string;
  created: number;
  agent: string | null;
}

const ACCOUNT = /^(GET|POST|PUT|DELETE) \/account\/(password|sessions|tokens)(?:\/(\w+))?$/;

/** Answers what is asked of the account; nothing for any other route. */
export async function account(
  box: MockBox,
  route: string,
  request: Request,
  token: string,
): Promise<Response | undefined> {
  const [, method, what, id] = ACCOUNT.exec(route) ?? [];
  if (what === 'password' && method === 'PUT') {
    return password(box, (await request.json()) as { old: string; new: string }, token);
  }
  if (what === 'sessions') return sessions(box, method ?? '', id, token);
  if (what === 'tokens' && method === 'POST') {
    return make(box, (await request.json()) as { name: string; scope: Scope; days?: number | null });
  }
  if (what === 'tokens' && method === 'GET') return Response.json([...box.tokens.values()]);
  if (what === 'tokens' && method === 'DELETE') {
    if (!box.tokens.delete(Number(id))) return problem(404, 'There is no such token.');
    box.changed();
    return done();
  }
  return undefined;
}

function password(box: MockBox, change: { old: string; new: string }, token: string): Response {
  if (change.new.length < 8) return problem(422, 'The password is too short: it needs 8 characters.');
  if (change.old !== box.password) return problem(403, 'The old password is wrong.');
  box.password = change.new;
  endOthers(box, token);
  return done();
}

function endOthers(box: MockBox, token: string): void {
  for (const other of box.sessions.keys()) if (other !== token) box.sessions.delete(other);
  box.changed();
}

function sessions(box: MockBox, method: string, id: string | undefined, token: string): Response {
  if (method === 'GET') {
    const views: Session[] = [...box.sessions].map(([key, { id, created, agent }]) => ({
      id,
      created,
      seen: Math.floor(box.now),
      address: '192.168.1.20',
      agent,
      current: key === token,
    }));
    return Response.json(views);
  }
  if (id === undefined) {
    endOthers(box, token);
    return done();
  }
  const found = [...box.sessions].find(([, one]) => one.id === id);
  if (!found) return problem(404, 'There is no such session; it may have ended already.');
  box.sessions.delete(found[0]);
  box.changed();
  return done();
}

function make(box: MockBox, wanted: { name: string; scope: Scope; days?: number | null }): Response {
  const name = wanted.name.trim();
  if (name === '') return problem(422, 'Give the token a name of at most 60 characters.');
  const created = Math.floor(box.now);
  const token: Token = {
    id: box.next(),
    name,
    scope: wanted.scope,
    created,
    expires: wanted.days ? created + wanted.days * 86_400 : null,
    expired: false,
    used: null,
  };
  box.tokens.set(token.id, token);
  box.changed();
  return Response.json({ secret: `semoir_${'5eed'.repeat(16)}`, token }, { status: 201 });
}
