/** What the page can show. All but what most visits begin with is loaded when it is wanted. */
import type { Component } from 'svelte';
import type { Phase } from './live/box.svelte';
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

/** What most visits begin with. */
const first = { home: Home, 'sign-in': SignIn, missing: Missing } as const;

const unframed: readonly Name[] = ['claim', 'sign-in', 'welcome'];

/** Loads a screen. Fails when the box does not answer. */
export async function load(name: Name, id: number | undefined): Promise<Screen> {
  const framed = !unframed.includes(name);
  if (name === 'home' || name === 'sign-in' || name === 'missing') {
    return { name, id, View: first[name], framed };
  }
  const { [name]: View } = await import('./views/later');
  return { name, id, View, framed };
}
