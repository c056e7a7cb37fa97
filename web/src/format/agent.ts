/** What a browser says of itself, as people call it. */

/** In the order in which they are looked for: most say that they are several. */
const browsers: readonly (readonly [string, RegExp])[] = [
  ['Edge', /\bEdgA?\//],
  ['Opera', /\bOPR\//],
  ['Samsung Internet', /\bSamsungBrowser\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Chrome|CriOS|HeadlessChrome)\//],
  ['Safari', /\bVersion\/[\d.]+.*\bSafari\//],
  ['curl', /^curl\//],
];

const systems: readonly (readonly [string, RegExp])[] = [
  ['Android', /\bAndroid\b/],
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Linux', /\bLinux\b/],
];

/** The names of the browser and its system, as far as they are known. */
export function readAgent(agent: string): { browser: string | undefined; system: string | undefined } {
  const first = (names: typeof browsers): string | undefined =>
    names.find(([, sign]) => sign.test(agent))?.[0];
  return { browser: first(browsers), system: first(systems) };
}
