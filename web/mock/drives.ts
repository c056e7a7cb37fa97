/** The mock box's drives: forgotten, formatted, and used although they are built in. */
import { NOT_APPROVED, type MockBox } from './box.ts';
import { done, problem } from './http.ts';

interface Wanted {
  name: string;
  label: string;
  told?: boolean;
}

export async function drives(box: MockBox, route: string, request: Request): Promise<Response | undefined> {
  const [, method, number, what] =
    /^(DELETE|POST|PUT) \/sources\/(\d+)(\/format|\/approval)?$/.exec(route) ?? [];
  if (method === undefined) return undefined;
  const source = box.sources.find(({ id }) => id === Number(number));
  if (!source) return problem(404, 'There is no such source.');
  if (method === 'DELETE' && !what) {
    if (!source.can_forget) return problem(409, `“${source.name}” is here; unplug it first.`);
    box.sources = box.sources.filter((other) => other !== source);
    box.tell();
    return done();
  }
  if (method === 'PUT' && what === '/approval') {
    const { approved } = (await request.json()) as { approved: boolean };
    Object.assign(source, { present: approved, problem: approved ? '' : NOT_APPROVED });
    box.tell();
    return done();
  }
  if (method !== 'POST' || what !== '/format') return undefined;
  const { name, label, told } = (await request.json()) as Wanted;
  if (name.trim() !== source.name)
    return problem(422, `That is not the drive's name; it is called “${source.name}”.`);
  if (!told && source.name === 'CINEMA') return problem(409, `“${source.name}” holds 24 files.`);
  Object.assign(source, { name: label, file_system: 'ext4', uploads_key: `ext4-${source.id}`, free: 59e9 });
  box.settings.uploads_to = `ext4-${source.id}`;
  box.changed();
  box.tell();
  return done();
}
