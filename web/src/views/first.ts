/** The views of the first run, which follow on one another, and are loaded together. */
export { default as Claim } from './Claim.svelte';
export { default as Welcome } from './Welcome.svelte';
