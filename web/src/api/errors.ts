/** What can go wrong between the page and the box. */
import { t } from '../i18n';

/** The box answered, and refused. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The box's own sentence for the owner; empty when it gave none. */
    readonly detail: string,
    /** The parsed body, whatever it is. */
    readonly body: unknown,
  ) {
    super(detail || `HTTP ${status}`);
  }
}

/** The box did not answer at all. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** The sentence that stands next to the action that failed. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable) return t.errors.unreachable;
  if (error instanceof Refused) {
    if (error.detail) return error.detail;
    if (error.status === 401) return t.errors.signedOut;
    if (error.status === 429) return t.errors.tooMany;
    if (error.status === 507) return t.errors.full;
    return t.errors.refused(error.status);
  }
  return t.errors.unexpected;
}
