/** A `fetch` that reaches a mock box, and keeps its cookie as a browser does. */
import type { MockBox } from './box.ts';
import { answer } from './http.ts';

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
