import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

// Rules about the source text as a whole. Tests run with the project's folder as working directory.
// A list marked `to go` names what breaks a rule today and nothing else, so it only shrinks.

/** What the files of each folder may import, apart from each other. A name with a dot is one file. */
const MAY_IMPORT: Readonly<Record<string, string>> = {
  util: '',
  sys: 'util',
  uring: 'sys util',
  buffers: 'sys',
  host: 'nbd uring sys util',
  throttle: 'util',
  nbd: 'util',
  lease: 'throttle/limits.ts util',
  partitions: '',
  image: 'host nbd/uri.ts partitions util buffers sys/constants.ts sys/memory.ts',
  'image/*': 'image host util buffers sys/constants.ts sys/memory.ts',
  control: 'lease throttle util nbd/uri.ts',
  tree: 'control lease throttle util',
  fuse: 'sys uring util buffers tree host/host-times.ts plane/operation.ts plane/requests.ts plane/transport.ts',
  plane: 'buffers control host image partitions throttle tree sys util',
  loop: 'plane fuse uring host image buffers sys util',
  server:
    'lease util sys uring buffers host nbd/uri.ts throttle image partitions control tree fuse plane loop',
  api: 'cli server control fuse/mount-point.ts util',
  cli: 'server control image lease nbd/uri.ts partitions util sys fuse/mount-options.ts fuse/mount-point.ts',
};

/** The one file of image/ that knows all formats. */
const FORMATS = 'image/formats.ts';

const LINES_MAX = 400;

/** Folders of test/ whose tests are about the whole program, and this file. */
const WHOLE = /^(conformance|docs|formats|mount|replay)\/|^tidy\./;

/** Tests of what a folder of src/ or tools/ does as a whole. */
const OF_FOLDERS = words(`
cli/doctor.test.ts plane/disk-growth.test.ts plane/storm.test.ts plane/throttled.test.ts throttle/throttle-churn.test.ts
throttle/throttle-limits.test.ts tools/install.test.ts tree/fuzz.test.ts
`);

/** A file of src/ with functions that is longer has a test of its name. */
const UNTESTED_LINES_MAX = 60;
// to go:
const UNTESTED_TO_GO = words(`
cli/commands/mount.ts cli/commands/set.ts cli/parser.ts host/engine.ts host/transfer-worker.ts
image/inflater.ts image/layered-driver.ts image/qcow2/cluster-writes.ts image/qcow2/collect-tables.ts image/qcow2/count-references.ts
image/qcow2/create-overlay.ts image/qcow2/dirty-tables.ts image/qcow2/entries.ts
image/qcow2/extensions.ts image/qcow2/header-block.ts image/qcow2/layout.ts
image/qcow2/piece-cache.ts image/qcow2/prepare-writing.ts image/qcow2/qcow-layer.ts
image/qcow2/qcow-writer.ts image/qcow2/read-for-writing.ts image/qcow2/refcount-blocks.ts
image/qcow2/snapshots.ts image/qcow2/writes.ts loop/pool-loop.ts
loop/data-plane.ts loop/ring-loop.ts plane/plane.ts
server/control-reader.ts server/control-writer.ts server/doctor-ring.ts server/doctor.ts
server/holders.ts server/inflate-thread.ts server/main.ts server/native-plane.ts
server/other-mounts.ts server/overlay.ts server/plane-thread.ts
server/serve.ts sys/libc.ts sys/memory.ts throttle/assemble.ts
`);

/** Constants of the same name and value that mean different things. */
const ALIKE = lines(`
FREE = 0
FSYNC_DATASYNC = 1
NONE = -1
NO_TABLE = 0
RUN_BYTES = 262144
WRITE = 1
`);

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

interface Import {
  to: string;
  typesOnly: boolean;
}

interface Source {
  /** Path below src/. */
  path: string;
  text: string;
  imports: Import[];
}

const IMPORT = /(?:^|\n)(?:im|ex)port (type )?(?:(\{[^}]*\})|[^;'"{]*) from '(\.[^']+)'/g;
const LAZY_IMPORT = /\bimport\(\s*'(\.[^']+)'/g;
const EFFECT_IMPORT = /(?:^|\n)import '(\.[^']+)'/g;

function importsOf(path: string, text: string): Import[] {
  const resolve = (to: string): string => join(dirname(path), to.replace(/\.js$/, '.ts'));
  const named = [...text.matchAll(IMPORT)].map(([, type, names, to]) => {
    const words = names?.slice(1, -1).split(',') ?? [''];
    const types = words.every((word) => /^\s*(type .*)?$/s.test(word)) && names !== undefined;
    return { to: resolve(to!), typesOnly: type !== undefined || types };
  });
  const others = [...text.matchAll(LAZY_IMPORT), ...text.matchAll(EFFECT_IMPORT)];
  return [...named, ...others.map(([, to]) => ({ to: resolve(to!), typesOnly: false }))];
}

/** Paths of the TypeScript files below a folder, without its name, in order. */
function filesBelow(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return all.filter((path) => path.endsWith('.ts')).sort();
}

const SOURCES: readonly Source[] = filesBelow('src').map((path) => {
  const text = readFileSync(join('src', path), 'utf8');
  return { path, text, imports: importsOf(path, text) };
});

function folderOf(path: string): string {
  const parts = path.split('/');
  return parts.slice(0, parts[0] === 'image' && parts.length > 2 ? 2 : 1).join('/');
}

/** Whether a file may import another, of another folder or of its own. */
function mayImport(from: string, to: string): boolean {
  const [own, other] = [folderOf(from), folderOf(to)];
  if (own === other) return true;
  if (from === FORMATS && other.startsWith('image/')) return true;
  const allowed = MAY_IMPORT[own.replace(/\/.*/, '/*')]!.split(' ');
  return allowed.includes(other) || allowed.includes(to);
}

/** Fails for what is not on the list, and for what is on the list and no longer found. */
function onlyThese(t: ExecutionContext, found: Iterable<string>, list: readonly string[]): void {
  const all = new Set(found);
  const unlisted = [...all].filter((one) => !list.includes(one)).sort();
  const gone = list.filter((one) => !all.has(one));
  t.deepEqual({ unlisted, gone }, { unlisted: [], gone: [] });
}

test('folders import what they may', (t) => {
  const types = new Map<string, boolean>();
  for (const { path, imports } of SOURCES) {
    for (const { to, typesOnly } of imports.filter((one) => !mayImport(path, one.to))) {
      const arrow = `${folderOf(path)} -> ${folderOf(to)}`;
      types.set(arrow, typesOnly && (types.get(arrow) ?? true));
    }
  }
  const found = [...types].map(([arrow, typesOnly]) => arrow + (typesOnly ? ' (types)' : ''));
  t.deepEqual(found, []);
});

/** The groups of files in which each reaches each other, by Tarjan's algorithm. */
function cycles(): string[][] {
  const graph = new Map(SOURCES.map(({ path, imports }) => [path, imports.map(({ to }) => to)]));
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): number => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const to of graph.get(file)!) {
      const reached = index.has(to) ? (stack.includes(to) ? index.get(to)! : Infinity) : visit(to);
      low.set(file, Math.min(low.get(file)!, reached));
    }
    if (low.get(file) === index.get(file)) found.push(stack.splice(stack.indexOf(file)));
    return low.get(file)!;
  };
  for (const file of graph.keys()) if (!index.has(file)) visit(file);
  return found.filter((group) => group.length > 1);
}

test('no files import each other', (t) => {
  t.deepEqual(
    cycles().map((group) => group.sort().join(' ')),
    [],
  );
});

test(`no file of src/, tools/ or test/ has more than ${LINES_MAX} lines`, (t) => {
  const files = ['src', 'tools', 'test'].flatMap((folder) =>
    filesBelow(folder).map((path) => `${folder}/${path}`),
  );
  const isLong = (path: string): boolean =>
    readFileSync(path, 'utf8').split('\n').length - 1 > LINES_MAX;
  t.deepEqual(files.filter(isLong), []);
});

test('each test has the path of what it tests', (t) => {
  const sources = new Set([
    ...SOURCES.map(({ path }) => path),
    ...filesBelow('tools').map((path) => `tools/${path}`),
  ]);
  const tests = filesBelow('test').filter((path) => path.endsWith('.test.ts') && !WHOLE.test(path));
  onlyThese(
    t,
    tests.filter((path) => !sources.has(path.replace('.test.ts', '.ts'))),
    OF_FOLDERS,
  );
});

test('each source file with logic has a test', (t) => {
  const tests = new Set(filesBelow('test'));
  const untested = SOURCES.filter(({ path, text }) => {
    const isLong = text.split('\n').length - 1 > UNTESTED_LINES_MAX;
    return (
      isLong && /\b(function|class) /.test(text) && !tests.has(path.replace('.ts', '.test.ts'))
    );
  });
  onlyThese(
    t,
    untested.map(({ path }) => path),
    UNTESTED_TO_GO,
  );
});

/** Numbers as source text has them: 4096, 0x80000000, 10_000, 1 << 20. */
const NUMBER = /^(?:export )?const ([A-Z][A-Z0-9_]+) = (-?[0-9][0-9a-fx_.]*)(?: << ([0-9]+))?;/gm;

test('no number is told twice', (t) => {
  const files = new Map<string, Set<string>>();
  for (const { path, text } of SOURCES) {
    for (const [, name, digits, shift] of text.matchAll(NUMBER)) {
      const value = Number(digits!.replaceAll('_', '')) * 2 ** Number(shift ?? 0);
      const key = `${name} = ${value}`;
      files.set(key, (files.get(key) ?? new Set()).add(path));
    }
  }
  const twice = [...files].filter(([, paths]) => paths.size > 1).map(([key]) => key);
  onlyThese(t, twice, ALIKE);
});

test('src/sys/constants.ts has the numbers of Linux, src/sys/libc.ts the C library', (t) => {
  const told = /const (FALLOC_|SEEK_|O_|F_(SETFL|DUPFD))/;
  const numbers = SOURCES.filter(({ text }) => told.test(text));
  t.deepEqual(
    numbers.map(({ path }) => path),
    ['sys/constants.ts'],
  );
  const libraries = SOURCES.filter(({ text }) => text.includes("load('libc.so.6')"));
  t.deepEqual(
    libraries.map(({ path }) => path),
    ['sys/libc.ts'],
  );
});

test('the data plane does not know that images have layers', (t) => {
  const found = SOURCES.filter(
    ({ path, text }) => path.startsWith('plane/') && /chain/i.test(text),
  );
  t.deepEqual(
    found.map(({ path }) => path),
    [],
  );
});

test('only the folders of qcow2 and of its first version, and the table of formats name it', (t) => {
  const found = SOURCES.filter(({ path, text }) => {
    return (
      path !== FORMATS && !/^image\/qcow[12]\//.test(path) && /qcow/i.test(withoutComments(text))
    );
  });
  onlyThese(
    t,
    found.map(({ path }) => path),
    [],
  );
});

test('programs and threads are found from the modules and from the bundle', (t) => {
  const found = SOURCES.flatMap(({ text }) => {
    return [...text.matchAll(/import\.meta\.dirname, '([^']*)'/g)].map(([, path]) => path!);
  });
  t.true(found.length > 0);
  for (const path of found) {
    // Each file of the bundle is one folder below it, as the programs are.
    t.regex(path, /^\.\.\/\w+\/[\w-]+\.js$/);
    t.true(existsSync(join('dist', path.slice(3))), `${path} is not in tools/bundle.ts`);
  }
  const urls = SOURCES.filter(({ text }) => text.includes('import.meta.url'));
  onlyThese(
    t,
    urls.map(({ path }) => path),
    [],
  );
});

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$| \/\/ .*$/gm, '');
}

test('random sequences are the same in every run: one file has fast-check, and gives it its seed', (t) => {
  const having = filesBelow('test').filter((path) =>
    readFileSync(join('test', path), 'utf8').includes("from 'fast-check'"),
  );
  // This one names it only.
  t.deepEqual(having, ['helpers/random-sequences.ts', 'tidy.test.ts']);
});
