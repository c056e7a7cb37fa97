/**
 * The views that no visit begins with. They are one file, loaded with the first of them: apart, each brought a few
 * kilobytes of its own that are common to all when they are packed together.
 */
export { default as account } from './Account.svelte';
export { default as box } from './Box.svelte';
export { default as claim } from './Claim.svelte';
export { default as release } from './Release.svelte';
export { default as settings } from './Settings.svelte';
export { default as upload } from './Upload.svelte';
export { default as welcome } from './Welcome.svelte';
