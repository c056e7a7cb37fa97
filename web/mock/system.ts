/** The mock box as a whole system: updates, power, Wi-Fi. */
import type { SystemView } from '../src/api/types.ts';
import type { MockBox } from './box.ts';
import { done, problem } from './http.ts';
import { leave } from './machine.ts';

/** Milliseconds between two steps of something that takes its time, as pretended. */
const STEP_MS = 150;

/** Milliseconds that a new version is on trial, as pretended. */
const TRIAL_MS = 60_000;

/** What an update of the mock begins with; its version follows, and decides what becomes of it. */
const MAGIC = /^semoir-update ([\w.-]+)\n/;

/** A program on somebody's computer. */
export function program(version: string): SystemView {
  return {
    available: false,
    version,
    board: null,
    slot: null,
    update: { state: 'none', bundle: null, percent: null, problem: null },
    last: null,
    wifi: null,
    database: null,
    journals: [],
  };
}

/** A whole system, with what is special about it. */
export function whole(box: MockBox, special: Partial<SystemView> = {}): void {
  box.system = {
    ...program(box.info.version),
    available: true,
    board: 'rpi4',
    slot: 'A',
    wifi: { network: null, connected: false, problem: null },
    ...special,
  };
}

const pause = (ms = STEP_MS): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Answers what is asked of the system; nothing for any other route. */
export async function system(box: MockBox, route: string, request: Request): Promise<Response | undefined> {
  if (!/^\w+ \/box\/(system|update|power|wifi|journals)\b/.test(route)) return undefined;
  if (route === 'GET /box/system') return Response.json(box.system);
  if (!box.system.available) return problem(404, 'This box is a program on a computer, and not a system.');
  switch (route) {
    case 'GET /box/journals/last':
      return new Response('2026-11-28T17:42:00+00:00 systemd[1]: Reached target Power Off.\n', {
        headers: { 'content-disposition': 'attachment; filename="semoir-journal-last.txt"' },
      });
    case 'PUT /box/update':
      return receive(box, request);
    case 'DELETE /box/update':
      if (box.system.update.state === 'installed') return problem(409, 'The update is installed already.');
      box.system.update = program('').update;
      return done();
    case 'POST /box/update/install':
      if (box.system.update.state !== 'ready') return problem(409, 'There is no update to be installed.');
      void install(box);
      return new Response(null, { status: 202 });
    case 'POST /box/power':
      return power(box, ((await request.json()) as { action: string }).action);
    case 'PUT /box/wifi':
      return join(box, (await request.json()) as { network: string; password: string });
    case 'DELETE /box/wifi':
      box.system.wifi = { network: null, connected: false, problem: null };
      return done();
  }
  return undefined;
}

async function receive(box: MockBox, request: Request): Promise<Response> {
  const { update } = box.system;
  if (update.state !== 'none') return problem(409, 'Another update is here already.');
  Object.assign(update, { state: 'receiving', problem: null });
  let text: string;
  try {
    text = await request.text();
  } catch (error) {
    update.state = 'none';
    throw error;
  }
  update.state = 'checking';
  await pause(4 * STEP_MS);
  const version = MAGIC.exec(text)?.[1];
  if (version === undefined) {
    const why = 'That is no update of Semoir: nobody we know has signed it.';
    Object.assign(update, { state: 'none', problem: why });
    return problem(422, why);
  }
  Object.assign(update, { state: 'ready', bundle: { version, board: 'rpi4', bytes: text.length } });
  return Response.json(update);
}

/** One whose version ends in `torn` cannot be written. */
async function install(box: MockBox): Promise<void> {
  const { update } = box.system;
  Object.assign(update, { state: 'installing', problem: null });
  for (let percent = 0; percent <= 100; percent += 5) {
    update.percent = percent;
    await pause();
    if (percent >= 60 && update.bundle?.version.endsWith('torn')) {
      const why = 'the card cannot be written: input/output error';
      Object.assign(update, { state: 'ready', percent: null, problem: why });
      return;
    }
  }
  Object.assign(update, { state: 'installed', percent: null });
}

/** A version that ends in `lame` does not serve. */
function power(box: MockBox, action: string): Response {
  const { update, version: from } = box.system;
  if (update.state === 'installing') return problem(409, 'An update is being installed.');
  if (action === 'shut_down') {
    setTimeout(() => {
      box.faults.away = true;
      box.tell();
    }, 50);
    return new Response(null, { status: 202 });
  }
  leave(box, () => {
    const version = update.bundle?.version;
    if (update.state !== 'installed' || version === undefined) return;
    box.system.update = program('').update;
    const last = { version, from, at: Math.floor(box.now) };
    if (version.endsWith('lame')) {
      const reason = 'it was started, and did not serve within 15 minutes';
      box.system.last = { ...last, outcome: 'went_back', reason };
      return;
    }
    box.info.version = box.system.version = version;
    box.system.slot = 'B';
    const trial: SystemView['last'] = { ...last, outcome: 'trying', reason: null };
    box.system.last = trial;
    setTimeout(() => {
      if (box.system.last === trial) box.system.last = { ...last, outcome: 'kept', reason: null };
    }, TRIAL_MS).unref();
  });
  return new Response(null, { status: 202 });
}

/** The password `wrong password` is wrong. */
function join(box: MockBox, { network, password }: { network: string; password: string }): Response {
  if (!box.system.wifi) return problem(404, 'This box has no Wi-Fi.');
  if (network === 'taken') return problem(422, 'That network cannot be joined.');
  const wifi = { network, connected: false, problem: null as string | null };
  box.system.wifi = wifi;
  setTimeout(() => {
    if (password === 'wrong password') wifi.problem = 'the password is wrong';
    else wifi.connected = true;
  }, 10 * STEP_MS);
  return done();
}
