/** The views of what is set once and kept. They are loaded together: apart, they are a tenth larger packed. */
export { default as Account } from './Account.svelte';
export { default as Box } from './Box.svelte';
export { default as Settings } from './Settings.svelte';
export { default as Wifi } from '../parts/Wifi.svelte';
export { default as Release } from './Release.svelte';
export { default as Upload } from './Upload.svelte';
