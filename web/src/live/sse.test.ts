import { expect, it } from 'vitest';

import { EventParser, type ServerEvent } from './sse';

const stream =
  ': hello\n\nevent: overview\ndata: {"a":\ndata: 1}\n\ndata:x\r\n\r\nid: 7\n\nevent: gone\n\ndata: last\n';

it('reads the same events however the text is cut', () => {
  const expected: ServerEvent[] = [
    { type: 'overview', data: '{"a":\n1}' },
    { type: 'message', data: 'x' },
  ];
  for (let size = 1; size <= stream.length; size += 1) {
    const parser = new EventParser();
    const events: ServerEvent[] = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    expect(events).toEqual(expected);
  }
});

it('gives up on an event without end', () => {
  const parser = new EventParser();
  const part = 'x'.repeat(8 * 1024 * 1024);
  expect(() => {
    for (let count = 0; count < 5; count += 1) parser.push(part);
  }).toThrow(RangeError);
});
