/** The mock box's uploads: counts bytes, keeps none. */
import { crc32c } from '../src/upload/crc32c.ts';
import type { MockBox } from './box.ts';
import { done, problem } from './http.ts';

interface Wanted {
  name: string;
  files: { path: string; size: number }[];
}

export async function upload(box: MockBox, route: string, request: Request): Promise<Response | undefined> {
  if (route === 'POST /uploads')
    return begin(box, (await request.json()) as Wanted, request.headers.get('idempotency-key'));
  const [, method, id = '', rest] = /^(\w+) \/uploads\/(\w+)(\/.*)?$/.exec(route) ?? [];
  if (method === undefined) return undefined;
  const sending = box.uploads.get(id);
  if (!sending) return problem(404, 'There is no such upload.');
  const index = /^\/files\/(\d+)$/.exec(rest ?? '')?.[1];
  if (method === 'PUT' && index !== undefined) return chunk(box, id, Number(index), request);
  switch (`${method} ${rest ?? ''}`) {
    case 'GET ':
      return Response.json(sending.upload);
    case 'DELETE ':
      box.uploads.delete(id);
      return done();
    case 'POST /finish':
      return finish(box, id);
    default:
      return undefined;
  }
}

function begin(box: MockBox, { name, files }: Wanted, key: string | null): Response {
  const again = [...box.uploads.values()].find((sending) => key !== null && sending.key === key);
  if (again) return Response.json(again.upload, { status: 201 });
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const taken =
    [...box.lives.values()].some(({ view }) => view.name === name) ||
    [...box.uploads.values()].some((sending) => sending.name === name);
  if (taken) return problem(409, `There is something called “${name}” already.`);
  if (box.faults.diskFull || size > (box.sources[0]?.free ?? 0)) {
    return problem(507, 'It does not fit: the box has not enough room for uploads.');
  }
  const id = `u${box.next()}`;
  const upload = { id, name, files: files.map((file) => ({ ...file, received: 0 })), waits_for: null };
  box.uploads.set(id, { name, key, upload });
  loseAnswer(box);
  return Response.json(upload, { status: 201 });
}

/** What was asked for is done, and whoever asked does not hear of it. */
function loseAnswer(box: MockBox): void {
  if (box.faults.loseAnswers === 0) return;
  box.faults.loseAnswers -= 1;
  throw new TypeError('the connection was cut');
}

async function chunk(box: MockBox, id: string, index: number, request: Request): Promise<Response> {
  const file = box.uploads.get(id)?.upload.files[index];
  if (!file) return problem(404, 'There is no such file in this upload.');
  const offset = Number(new URL(request.url).searchParams.get('offset'));
  const bytes = new Uint8Array(await request.arrayBuffer());
  const size = bytes.length;
  const busy = box.faults.busyChunks > 0;
  if (busy) box.faults.busyChunks -= 1;
  if (busy || offset !== file.received) {
    return problem(409, 'The bytes must begin elsewhere, or the file is being sent already.', file.received);
  }
  const damaged = box.faults.damageChunks > 0;
  if (damaged) {
    box.faults.damageChunks -= 1;
    bytes.fill(1, 0, 1);
  }
  if (announced(request) !== crc32c(bytes)) {
    return problem(409, 'The bytes were damaged on their way; they must be sent again.', file.received);
  }
  if (file.received + size > file.size) return problem(422, 'That is more than the file holds.');
  if (box.faults.diskFull) return problem(507, 'The disk of the box is full.');
  if (box.faults.cutChunks > 0) {
    // What broke off is not what its digest says: none of it counts.
    box.faults.cutChunks -= 1;
    throw new TypeError('the connection was cut');
  }
  file.received += size;
  loseAnswer(box);
  return Response.json({ received: file.received });
}

/** The CRC-32C that a request says its body has. */
function announced(request: Request): number | undefined {
  const coded = /^crc32c=:(.{8}):$/.exec(request.headers.get('content-digest') ?? '')?.[1];
  return coded === undefined
    ? undefined
    : new DataView(Uint8Array.from(atob(coded), (c) => c.charCodeAt(0)).buffer).getUint32(0);
}

function finish(box: MockBox, id: string): Response {
  const sending = box.uploads.get(id);
  if (!sending) return problem(404, 'There is no such upload.');
  if (sending.upload.files.some(({ size, received }) => received < size)) {
    return problem(409, 'Not all of it has arrived.');
  }
  box.uploads.delete(id);
  const files = sending.upload.files.map(({ path, size }) => ({ path, length: size }));
  box.share(box.add(sending.name, 1, files));
  loseAnswer(box);
  return done();
}
