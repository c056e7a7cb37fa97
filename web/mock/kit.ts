/** What the mock box hands out of a release. */
import type { ReachView, ShareKit } from '../src/api/types.ts';
import type { MockBox } from './box.ts';
import type { Life } from './life.ts';

/** Modules on each side of the image that stands in for a QR code. */
const MODULES = 29;

/** A box behind a provider's address translation, as many are. */
export function reach(): ReachView {
  return {
    verdict: 'carrier_nat',
    mapping: 'mapped',
    public_mapping: 'off',
    peer_port: 6881,
    router: '100.72.14.3',
    seen_as: ['203.0.113.40'],
    came_v4: null,
    came_v6: null,
    page_seen: null,
  };
}

/** Answers for `part` of the kit, the links when there is none; nothing for a release that has no kit. */
export function kit(box: MockBox, life: Life | undefined, part: string | undefined): Response | undefined {
  const hash = life?.view.info_hash;
  if (!life || !hash) return undefined;
  const host = box.settings.public_host;
  const base = `http://${host ?? 'semoir.local'}:${box.info.public_port}`;
  const page = `${base}/r/${hash}`;
  const torrent = `${base}/t/${hash}.torrent`;
  const magnet = life.view.magnet ?? `magnet:?xt=urn:btih:${hash}`;
  if (part === 'qr.svg') {
    return new Response(image(hash), { headers: { 'content-type': 'image/svg+xml' } });
  }
  if (part === 'page.zip') {
    // The end of an archive with nothing in it.
    const empty = new Uint8Array(22);
    empty.set([0x50, 0x4b, 0x05, 0x06]);
    return new Response(empty, { headers: { 'content-type': 'application/zip' } });
  }
  if (part !== undefined) return undefined;
  const snippet = `<p><a href="${page}">${hash}</a><br>\n<a href="${torrent}">.torrent</a></p>\n`;
  const links: ShareKit = { page, torrent, magnet, snippet, local: host === null };
  return Response.json(links);
}

/** Squares by the digits of a hash, so that the room on the page is filled. */
function image(hash: string): string {
  let path = '';
  for (let at = 0; at < MODULES * MODULES; at += 1) {
    const digit = Number.parseInt(hash[at % hash.length] ?? '0', 16);
    if ((digit + at * 7) % 3 === 0) path += `M${at % MODULES} ${Math.floor(at / MODULES)}h1v1h-1z`;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 37 37"><path d="${path}"/></svg>`;
}
