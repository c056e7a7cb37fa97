/** The addresses of a release on the public listener. */
import type { BoxInfo } from '../api/types';

/** Where visitors find the box: the owner's public host name, or the name this page was opened by. */
export function publicBase(box: Pick<BoxInfo, 'public_port' | 'public_host'>, hostname: string): string {
  const named = box.public_host?.trim() ?? '';
  const host = named === '' ? hostname : named;
  const bare = host.includes(':') && !host.startsWith('[') && host.indexOf(':') !== host.lastIndexOf(':');
  const authority = bare ? `[${host}]` : host;
  if (/(^[^:[\]]+|\]):\d+$/.test(authority)) return `http://${authority}`;
  return `http://${authority}${box.public_port === 80 ? '' : `:${box.public_port}`}`;
}

/** The page for visitors. */
export function sharePage(base: string, infoHash: string): string {
  return `${base}/r/${infoHash}`;
}
