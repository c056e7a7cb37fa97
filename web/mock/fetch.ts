/** A `fetch` that reaches a mock box, and keeps its cookie as a browser does. */
import type { SendFile } from '../src/api/sending.ts';
import type { MockBox } from './box.ts';
import { answer } from './http.ts';

/** Sends a file to a mock box as the page does, with a browser's `fetch` of it; half of it leaves first. */
export function sendFrom(fetch: typeof globalThis.fetch): SendFile {
  return async (url, file, told, signal) => {
    told(Math.floor(file.size / 2));
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await fetch(url, { method: 'PUT', body: file, headers, signal });
    told(file.size);
    return answer;
  };
}

export function fetchFrom(box: MockBox): typeof globalThis.fetch {
  let cookie = '';
  return async (input, init) => {
    const url = input instanceof Request ? input.url : input.toString();
    const request = new Request(new URL(url, 'http://box.local'), init);
    request.signal.throwIfAborted();
    if (cookie) request.headers.set('cookie', cookie);
    const response = await answer(box, request);
    const set = response.headers.get('set-cookie');
    if (set) cookie = set.split(';')[0] ?? '';
    return response;
  };
}
