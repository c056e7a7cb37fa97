/** What was dropped or chosen, as the releases it makes. */

/** One file with its path inside its release. */
export interface Picked {
  path: string;
  file: File;
}

/** A folder, or one loose file: a release to be. */
export interface Bundle {
  name: string;
  /** Whether it was one file, not a folder. */
  single: boolean;
  files: Picked[];
}

export interface Selection {
  bundles: Bundle[];
  /** Hidden and system files that were left out, as the box leaves them out of a folder. */
  leftOut: number;
  /** Whether something could not be read. */
  unreadable: boolean;
}

/** System files without a leading dot; the box's own scan leaves the same out. */
const JUNK = new Set([
  'thumbs.db',
  'desktop.ini',
  'lost+found',
  '@eadir',
  '$recycle.bin',
  'system volume information',
]);

/** Folders nested deeper than this are not walked: no release of a person is. */
const DEEPEST = 64;

/** Whether a path has a hidden or system part. */
export function isJunk(path: string): boolean {
  return path.split('/').some((part) => part.startsWith('.') || JUNK.has(part.toLowerCase()));
}

/** What `<input type="file">`, with or without `webkitdirectory`, gave. */
export function fromInput(files: Iterable<File>): Selection {
  const found: Picked[] = [];
  for (const file of files) found.push({ path: file.webkitRelativePath || file.name, file });
  return bundle(found, false);
}

/** What was dropped. Must be called in the event's own turn: the browser empties the list afterwards. */
export async function fromDrop(transfer: DataTransfer): Promise<Selection> {
  const entries: FileSystemEntry[] = [];
  const found: Picked[] = [];
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue;
    const entry = item.webkitGetAsEntry();
    const file = entry ? null : item.getAsFile();
    if (entry) entries.push(entry);
    else if (file) found.push({ path: file.name, file });
  }
  let unreadable = false;
  const walk = async (entry: FileSystemEntry, path: string, depth: number): Promise<void> => {
    try {
      if (entry.isFile) {
        found.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
      } else if (depth >= DEEPEST) {
        unreadable = true;
      } else {
        for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) {
          await walk(child, `${path}/${child.name}`, depth + 1);
        }
      }
    } catch {
      unreadable = true;
    }
  };
  for (const entry of entries) await walk(entry, entry.name, 0);
  return bundle(found, unreadable);
}

/** Groups paths by their first part: a folder's files together, a loose file alone. */
export function bundle(found: Iterable<Picked>, unreadable: boolean): Selection {
  const bundles: Bundle[] = [];
  const folders = new Map<string, Bundle>();
  let leftOut = 0;
  for (const { path, file } of found) {
    if (isJunk(path)) {
      leftOut += 1;
      continue;
    }
    const slash = path.indexOf('/');
    if (slash < 0) {
      bundles.push({ name: path, single: true, files: [{ path, file }] });
      continue;
    }
    const name = path.slice(0, slash);
    let folder = folders.get(name);
    if (!folder) {
      folder = { name, single: false, files: [] };
      folders.set(name, folder);
      bundles.push(folder);
    }
    folder.files.push({ path: path.slice(slash + 1), file });
  }
  for (const { files } of bundles) files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { bundles, leftOut, unreadable };
}

/** Loose files together under one name. Those from several folders may have the same; each further one gets a number. */
export function together(name: string, bundles: readonly Bundle[]): Bundle {
  const taken = new Set<string>();
  const files = bundles
    .flatMap((bundle) => bundle.files)
    .map(({ path, file }) => {
      let free = path;
      for (let nth = 2; taken.has(free); nth += 1) free = path.replace(/(\.[^.]*)?$/, ` (${nth})$1`);
      taken.add(free);
      return { path: free, file };
    });
  return { name, single: false, files };
}

/** What is wrong with a name, if anything. */
export function nameFault(name: string): 'missing' | 'bad' | undefined {
  if (name.trim() === '') return 'missing';
  // eslint-disable-next-line no-control-regex -- a control character is exactly what a name must not hold
  return name === '.' || name === '..' || /[/\\\u0000-\u001f]/.test(name) ? 'bad' : undefined;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
}

/** A browser hands out a folder's children in portions, until an empty one. */
async function childrenOf(entry: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = entry.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return all;
    all.push(...some);
  }
}
