/** The mock box as a machine: its state, its log, restart, backup and reset. */
import type { Backup, LogLine, LogView, Restored, Settings } from '../src/api/types.ts';
import type { MockBox } from './box.ts';
import { problem } from './http.ts';

/** Milliseconds a restart takes, as pretended. */
const AWAY_MS = 1_500;

/** Answers what is asked of the machine; nothing for any other route. */
export async function machine(box: MockBox, route: string, request: Request): Promise<Response | undefined> {
  switch (route) {
    case 'GET /box/state': {
      const uptime = Math.floor(box.now - box.started);
      return Response.json({ version: box.info.version, uptime, supervised: box.supervised });
    }
    case 'GET /box/logs': {
      const after = Number(new URL(request.url).searchParams.get('after') ?? 0);
      const view: LogView = { lines: box.log.filter(({ number }) => number > after), last: box.log.length };
      return Response.json(view);
    }
    case 'POST /box/restart':
      if (!box.supervised) return problem(409, 'Nothing would start the box again: it was started by hand.');
      leave(box);
      return new Response(null, { status: 202 });
    case 'POST /box/reset': {
      const wanted = (await request.json()) as { name: string; keep_uploads: boolean };
      if (wanted.name.trim() !== (box.settings.box_name ?? box.info.name)) {
        return problem(422, 'That is not the name of this box; nothing was forgotten.');
      }
      leave(box, () => {
        box.info = { ...box.info, claimed: false };
        box.sessions.clear();
        box.tokens.clear();
        box.lives.clear();
      });
      return new Response(null, { status: 202 });
    }
    case 'GET /backup':
      return Response.json({
        semoir_backup: 1,
        made: Math.floor(box.now),
        settings: box.settings,
        releases: [],
        sources: [],
      });
    case 'POST /backup':
      return restore(box, (await request.json()) as Backup);
  }
  return undefined;
}

/** The box is away for a moment, and is another when it is back. */
export function leave(box: MockBox, change: () => void = () => undefined): void {
  setTimeout(() => {
    box.faults.away = true;
    box.tell();
    setTimeout(() => {
      change();
      box.started = box.now;
      box.faults.away = false;
    }, AWAY_MS);
  }, 50);
}

function restore(box: MockBox, backup: Backup): Response {
  if (backup.semoir_backup !== 1) {
    return problem(422, `The backup is of version ${backup.semoir_backup}, and this Semoir reads version 1.`);
  }
  const wanted = (backup.settings ?? {}) as Partial<Settings>;
  const unknown = Object.keys(wanted).filter((key) => !(key in box.settings));
  box.settings = { ...box.settings, ...wanted };
  for (const key of unknown) Reflect.deleteProperty(box.settings, key);
  box.changed();
  const restored: Restored = {
    settings: Object.keys(wanted).length - unknown.length,
    releases: 0,
    sources: 0,
    unknown_settings: unknown,
    missing_releases: (backup.releases ?? []).map(({ name, info_hash }) => name ?? info_hash),
    missing_sources: (backup.sources ?? []).map(({ key }) => key),
  };
  return Response.json(restored);
}

/** Lines as a box writes them. */
export function someLog(at: number): LogLine[] {
  const lines: [LogLine['level'], string, string][] = [
    ['info', 'semoir::app', 'hashed release=1'],
    ['warn', 'semoir::seed::discovery', 'a part of discovery did not start part=UPnP why=no router answers'],
    ['info', 'semoir::app', 'stopped: 3 others hold every piece release=2'],
    ['error', 'semoir::app', 'a step could not be finished; it is tried again error=the disk is full'],
    ['debug', 'semoir::seed', 'a peer left addr=203.0.113.7:6881'],
  ];
  return lines.map(([level, target, text], index) => ({
    number: index + 1,
    at: at + index,
    level,
    target,
    text,
  }));
}
