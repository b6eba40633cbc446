import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Hold } from '../../src/host/local-file.js';
import type { Format } from '../../src/image/format.js';
import { addFormat } from '../../src/image/formats.js';
import type { NamedFiles } from '../../src/image/named-files.js';
import { type ChainOptions, openChain } from '../../src/image/open-chain.js';
import { malformed } from '../../src/image/refusal.js';
import { SluiceError } from '../../src/util/errors.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

/** What a file of the format `family` holds, as JSON. */
interface Member {
  family: true;
  id: string;
  /** Identity of its backing file. */
  parent?: string;
  names?: string[];
}

/** A format whose images know their backing files by identity. They have no data. */
const family: Format = {
  name: 'family',
  probe: (head) => Buffer.from(head).toString().startsWith('{"family"'),
  open: (file) => {
    const text = Buffer.from(file.read(0, file.size)).toString();
    if (!text.startsWith('{"family"')) throw malformed(file.path, 'no member of a family');
    const { id, parent, names = [] } = JSON.parse(text) as Member;
    return {
      size: 512,
      backing: parent === undefined ? null : { names, format: 'family', identities: [parent] },
      identities: [id],
      dataFiles: [],
      unitBytes: 512,
      canGrow: false,
      methods: [],
      metadata: null,
      hasSparseData: () => false,
      describe: () => ({ features: null, lines: [], snapshots: [], problems: [] }),
    };
  },
  hasMetadata: false,
  makeLayer: () => {
    throw new Error('not read here');
  },
};
addFormat(family);

/** Makes files, by their paths in a new folder. */
function makeFiles(t: ExecutionContext, files: Record<string, Omit<Member, 'family'>>): string {
  const folder = tempFolder(t, TMPFS);
  for (const path of Object.keys(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), JSON.stringify({ family: true, ...files[path] }));
  }
  return folder;
}

/** Paths of the chain of `vm/top.fam`. */
function chainOf(folder: string, named: Partial<NamedFiles> = {}, held: Hold[] = []): string[] {
  const options: ChainOptions = {
    ...{ format: 'auto', backingFormats: [], snapshot: null },
    named: { dataFiles: [], backingFiles: [], untrusted: false, ...named },
    held,
  };
  const chain = openChain(join(folder, 'vm/top.fam'), options);
  chain.close();
  return chain.layers.map(({ file }) => file.path.slice(folder.length + 1));
}

function refuses(t: ExecutionContext, folder: string, says: RegExp, code = 3, named = {}): void {
  const error = t.throws(() => chainOf(folder, named), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, code);
}

test('the first name that leads to a file counts, and that must have the identity', (t) => {
  const names = ['gone.fam', '../base.fam', 'other.fam'];
  const folder = makeFiles(t, {
    'vm/top.fam': { id: 'top', parent: 'base', names },
    'base.fam': { id: 'base' },
    'vm/other.fam': { id: 'base' },
  });
  t.deepEqual(chainOf(folder), ['vm/top.fam', 'base.fam']);
  writeFileSync(join(folder, 'base.fam'), '{"family":true,"id":"changed"}');
  refuses(t, folder, /top\.fam: its backing file \S*base\.fam is another one or has been changed/);
  refuses(t, folder, /: its identity is changed, not base$/);
});

test('a file that is held is found as it was, whatever the names lead to by now', (t) => {
  const files = (names: string[]) => ({
    'vm/top.fam': { id: 'top', parent: 'base', names },
    'base.fam': { id: 'base' },
  });
  const hold = (folder: string, path: string): Hold => {
    const descriptor = openSync(join(folder, path), 'r');
    t.teardown(() => closeSync(descriptor));
    const others = { identity: path, format: 'family', claim: -1, memory: -1 };
    return { path: join(folder, path), descriptor, ...others };
  };
  for (const names of [['gone.fam', '../base.fam'], []]) {
    const folder = makeFiles(t, files(names));
    const held = ['vm/top.fam', 'base.fam'].map((path) => hold(folder, path));
    // A name that came before, and led nowhere, leads to a file.
    writeFileSync(join(folder, 'vm/gone.fam'), '{"family":true,"id":"base"}');
    t.deepEqual(chainOf(folder, {}, held), ['vm/top.fam', 'base.fam']);
    t.deepEqual(chainOf(folder, { untrusted: true }, held), ['vm/top.fam', 'base.fam']);
    renameSync(join(folder, 'vm'), join(folder, 'away'));
    rmSync(join(folder, 'base.fam'));
    t.deepEqual(chainOf(folder, {}, held), ['vm/top.fam', 'base.fam']);
  }
});

test('where no name leads to a file, one of the command line does', (t) => {
  const folder = makeFiles(t, {
    'vm/top.fam': { id: 'top', parent: 'base', names: ['gone.fam'] },
    'vm/base.fam': { id: 'base' },
    'far/base.fam': { id: 'base' },
  });
  refuses(t, folder, /top\.fam: its backing file \S*vm\/gone\.fam: no such file/, 1);
  const backingFiles = [join(folder, 'vm/top.fam'), join(folder, 'far/base.fam')];
  t.deepEqual(chainOf(folder, { backingFiles }), ['vm/top.fam', 'far/base.fam']);
  t.deepEqual(chainOf(folder, { backingFiles, untrusted: true }), ['vm/top.fam', 'far/base.fam']);
});

test('without a name it is sought beside the image and one folder above', (t) => {
  const folder = makeFiles(t, {
    'vm/top.fam': { id: 'top', parent: 'middle' },
    'vm/a.txt': { id: 'middle' },
    'vm/b.fam': { id: 'stranger' },
    'vm/c.FAM': { id: 'middle', parent: 'base' },
    'base.fam': { id: 'base' },
  });
  writeFileSync(join(folder, 'vm/a.fam'), 'something else');
  mkdirSync(join(folder, 'vm/folder.fam'));
  symlinkSync('nowhere', join(folder, 'vm/link.fam'));
  t.deepEqual(chainOf(folder), ['vm/top.fam', 'vm/c.FAM', 'base.fam']);
  // An untrusted image has nothing looked at but files of the command line.
  const told = /middle, is found neither beside it nor in the folder above; --backing-file FILE/;
  refuses(t, folder, told, 3, { untrusted: true });
  const backingFiles = [join(folder, 'vm/c.FAM'), join(folder, 'base.fam')];
  t.is(chainOf(folder, { untrusted: true, backingFiles }).length, 3);
});

test('images that are the backing file of each other are a loop', (t) => {
  const folder = makeFiles(t, {
    'vm/top.fam': { id: 'top', parent: 'base', names: ['base.fam'] },
    'vm/base.fam': { id: 'base', parent: 'top', names: ['top.fam'] },
  });
  refuses(t, folder, /top\.fam: its backing files form a loop/);
});
