/** The mock box's drives: forgotten, and formatted. */
import type { MockBox } from './box.ts';
import { done, problem } from './http.ts';

interface Wanted {
  name: string;
  label: string;
  told?: boolean;
}

export async function drives(box: MockBox, route: string, request: Request): Promise<Response | undefined> {
  const [, method, number, format] = /^(DELETE|POST) \/sources\/(\d+)(\/format)?$/.exec(route) ?? [];
  if (method === undefined) return undefined;
  const source = box.sources.find(({ id }) => id === Number(number));
  if (!source) return problem(404, 'There is no such source.');
  if (method === 'DELETE' && !format) {
    if (source.present) return problem(409, `“${source.name}” is here; unplug it first.`);
    box.sources = box.sources.filter((other) => other !== source);
    box.tell();
    return done();
  }
  if (method !== 'POST' || !format) return undefined;
  const { name, label, told } = (await request.json()) as Wanted;
  if (name.trim() !== source.name)
    return problem(422, `That is not the drive's name; it is called “${source.name}”.`);
  if (!told && source.name === 'FILMS') return problem(409, `“${source.name}” holds 24 files.`);
  Object.assign(source, { name: label, file_system: 'ext4', uploads_key: `ext4-${source.id}`, free: 59e9 });
  box.settings.uploads_to = `ext4-${source.id}`;
  box.changed();
  box.tell();
  return done();
}
