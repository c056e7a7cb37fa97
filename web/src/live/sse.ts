/** Server-sent events, read from a stream of bytes (HTML standard, section 9.2.6). */

export interface ServerEvent {
  /** Its name; `message` when it has none. */
  type: string;
  data: string;
}

/** An event longer than this is no event of ours, in characters: ten thousand releases are about 6 MB. */
const EVENT_LIMIT = 32 * 1024 * 1024;

/** Splits text that arrives in any pieces into events. Comments are dropped. */
export class EventParser {
  private rest = '';
  private type = '';
  private data: string[] = [];
  private held = 0;

  /** Takes the next text; answers the events it completes. */
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    this.rest += text;
    let start = 0;
    for (;;) {
      const end = this.rest.indexOf('\n', start);
      if (end < 0) break;
      const line = this.rest.slice(start, end).replace(/\r$/, '');
      start = end + 1;
      const event = this.line(line);
      if (event) events.push(event);
    }
    this.rest = this.rest.slice(start);
    if (this.rest.length + this.held > EVENT_LIMIT) throw new RangeError('an event is too long');
    return events;
  }

  private line(line: string): ServerEvent | undefined {
    if (line === '') {
      const event = { type: this.type || 'message', data: this.data.join('\n') };
      const some = this.data.length > 0;
      this.type = '';
      this.data = [];
      this.held = 0;
      return some ? event : undefined;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.type = value;
    if (field === 'data') {
      this.data.push(value);
      this.held += value.length;
    }
    return undefined;
  }
}
