/** Views and their addresses. They are fragments, so that the box serves one document. */
export type Route =
  | { view: 'home' }
  | { view: 'upload' }
  | { view: 'settings' }
  | { view: 'account' }
  | { view: 'box' }
  | { view: 'welcome' }
  | { view: 'release'; id: number }
  | { view: 'missing' };

/** The view that a location's hash names. */
export function parse(hash: string): Route {
  const parts = hash
    .replace(/^#?\/?/, '')
    .replace(/\/$/, '')
    .split('/');
  const [first = '', second, ...rest] = parts;
  if (rest.length > 0) return { view: 'missing' };
  if (first === 'release' && second !== undefined && /^\d{1,15}$/.test(second)) {
    return { view: 'release', id: Number(second) };
  }
  if (second !== undefined) return { view: 'missing' };
  switch (first) {
    case '':
      return { view: 'home' };
    case 'upload':
    case 'settings':
    case 'account':
    case 'box':
    case 'welcome':
      return { view: first };
    default:
      return { view: 'missing' };
  }
}

/** The address of a view. */
export function address(route: Exclude<Route, { view: 'missing' }>): string {
  switch (route.view) {
    case 'home':
      return '#/';
    case 'release':
      return `#/release/${route.id}`;
    default:
      return `#/${route.view}`;
  }
}
