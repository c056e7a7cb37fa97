/** What the page can show. All but what most visits begin with is loaded when it is shown. */
import type { Component } from 'svelte';
import type { Phase } from './live/box.svelte';
import { box, front } from './page.svelte';
import type { Route } from './route';
import Home from './views/Home.svelte';
import Missing from './views/Missing.svelte';
import SignIn from './views/SignIn.svelte';

/** The name of a screen: what the page is for, or, for the owner, a view. */
export type Name = Exclude<Phase, 'starting' | 'in'> | Route['view'];

/** A screen that is ready to be shown. */
export interface Screen {
  name: Name;
  /** The release it shows; none where it shows none. */
  id: number | undefined;
  View: Component<{ id: number }> | Component;
  /** Whether it stands in the frame with the bar. */
  framed: boolean;
}

/** What is asked for. */
export interface Wanted {
  name: Name;
  id: number | undefined;
}

/** What the page is to show now: nothing until the box has answered. */
export function wanted(): Wanted | undefined {
  const { phase } = box;
  if (phase === 'starting') return undefined;
  if (phase !== 'in') return { name: phase, id: undefined };
  const { route } = front;
  return { name: route.view, id: route.view === 'release' ? route.id : undefined };
}

const here = (View: Component): (() => Promise<{ default: Component }>) => {
  return () => Promise.resolve({ default: View });
};

const views: Record<Name, () => Promise<{ default: Component<{ id: number }> | Component }>> = {
  claim: async () => ({ default: (await import('./views/first')).Claim }),
  'sign-in': here(SignIn),
  welcome: async () => ({ default: (await import('./views/first')).Welcome }),
  home: here(Home),
  upload: async () => ({ default: (await import('./views/keeping')).Upload }),
  settings: async () => ({ default: (await import('./views/keeping')).Settings }),
  release: async () => ({ default: (await import('./views/keeping')).Release }),
  account: async () => ({ default: (await import('./views/keeping')).Account }),
  box: async () => ({ default: (await import('./views/keeping')).Box }),
  missing: here(Missing),
};

const unframed: readonly Name[] = ['claim', 'sign-in', 'welcome'];

/** Loads a screen. Fails when the box does not answer. */
export async function load({ name, id }: Wanted): Promise<Screen> {
  const { default: View } = await views[name]();
  return { name, id, View, framed: !unframed.includes(name) };
}
