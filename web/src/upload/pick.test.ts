import { describe, expect, it } from 'vitest';

import { bundle, fromDrop, fromInput, isJunk, nameFault, together } from './pick';

const file = (name: string): File => new File(['x'], name);

describe('what was chosen', () => {
  it('groups a folder, keeps loose files apart, leaves system files out', () => {
    const { bundles, leftOut } = bundle(
      [
        'disc/b.flac',
        'disc/art/a.png',
        'loose.iso',
        'disc/.DS_Store',
        'disc/Thumbs.db',
        '.hidden',
        'disc/@eaDir/x',
      ].map((path) => ({ path, file: file('x') })),
      false,
    );
    expect(bundles.map(({ name, single, files }) => [name, single, files.map(({ path }) => path)])).toEqual([
      ['disc', false, ['art/a.png', 'b.flac']],
      ['loose.iso', true, ['loose.iso']],
    ]);
    expect(leftOut).toBe(4);
  });

  it('reads the path that a folder input gives', () => {
    const inFolder = file('b.txt');
    Object.defineProperty(inFolder, 'webkitRelativePath', { value: 'a/b.txt' });
    expect(fromInput([inFolder, file('c.txt')]).bundles.map(({ name }) => name)).toEqual(['a', 'c.txt']);
  });

  it('knows junk anywhere in a path', () => {
    expect(isJunk('a/lost+found/b')).toBe(true);
    expect(isJunk('a/.git/b')).toBe(true);
    expect(isJunk('a/b.c')).toBe(false);
  });

  it('puts loose files together under a name', () => {
    const { bundles } = bundle(
      [
        { path: 'a', file: file('a') },
        { path: 'b', file: file('b') },
      ],
      false,
    );
    const one = together('both', bundles);
    expect(one).toMatchObject({ name: 'both', single: false });
    expect(one.files.map(({ path }) => path)).toEqual(['a', 'b']);
  });

  it('numbers those of several folders that have the same name', () => {
    const names = ['a.b.jpg', 'README', 'a.b.jpg', 'a.b (2).jpg', 'README', '.x', '.x'];
    const bundles = names.map((path) => ({ name: path, single: true, files: [{ path, file: file(path) }] }));
    const paths = together('both', bundles).files.map(({ path }) => path);
    expect(paths).toEqual([
      'a.b.jpg',
      'README',
      'a.b (2).jpg',
      'a.b (2) (2).jpg',
      'README (2)',
      '.x',
      ' (2).x',
    ]);
  });

  it('refuses names that no folder can have', () => {
    expect(nameFault('  ')).toBe('missing');
    for (const name of ['.', '..', 'a/b', 'a\\b', 'a\u0000']) expect(nameFault(name)).toBe('bad');
    expect(nameFault('Übersicht …')).toBeUndefined();
  });
});

describe('what was dropped', () => {
  const plain = (name: string) => ({
    isFile: true,
    name,
    file: (give: (file: File) => void) => give(file(name)),
  });
  const broken = (name: string) => ({
    isFile: true,
    name,
    file: (_: unknown, fail: (error: Error) => void) => fail(new Error('gone')),
  });
  /** Hands its children out in portions, as Chromium does. */
  const folder = (name: string, children: object[]) => ({
    isFile: false,
    name,
    createReader: () => {
      const rest = [...children];
      return { readEntries: (give: (some: object[]) => void) => give(rest.splice(0, 2)) };
    },
  });
  const drop = (...entries: object[]) =>
    fromDrop({
      items: entries.map((entry) => ({ kind: 'file', webkitGetAsEntry: () => entry })),
    } as unknown as DataTransfer);

  it('walks folders to the bottom, portion by portion', async () => {
    const deep = folder('disc', [
      plain('1'),
      plain('2'),
      plain('3'),
      folder('sub', [plain('4')]),
      plain('.x'),
    ]);
    const { bundles, leftOut, unreadable } = await drop(deep, plain('loose'));
    expect(bundles.map(({ name, files }) => [name, ...files.map(({ path }) => path)])).toEqual([
      ['disc', '1', '2', '3', 'sub/4'],
      ['loose', 'loose'],
    ]);
    expect([leftOut, unreadable]).toEqual([1, false]);
  });

  it('says when something could not be read, and keeps the rest', async () => {
    const { bundles, unreadable } = await drop(folder('disc', [broken('1'), plain('2')]));
    expect(bundles[0]?.files.map(({ path }) => path)).toEqual(['2']);
    expect(unreadable).toBe(true);
  });

  it('does not follow a folder without end', async () => {
    const endless: object = { isFile: false, name: 'again', createReader: () => portion() };
    const portion = () => {
      const some = [endless];
      return { readEntries: (give: (some: object[]) => void) => give(some.splice(0)) };
    };
    expect((await drop(endless)).unreadable).toBe(true);
  });
});
