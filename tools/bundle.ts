import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildResult, build, transform } from 'esbuild';
import { manPages } from './man-pages.js';

/**
 * Makes the program that users run, dist/, of src/ and the libraries. It starts faster than the modules
 * one by one, and by what `require` loads instead of `import` faster still: see "How it starts" in
 * docs/architecture.md.
 *
 * Names are kept and nothing is minified: stack traces name functions, and files of src/ are named above
 * their code.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(ROOT, 'src');
const TARGET = join(ROOT, 'dist');

/** What is started as a process or as a thread, as paths below src/ and, with `.js`, below dist/. */
const PROGRAMS = [
  // The package, for programs that import it.
  'api/index',
  'cli/main',
  'cli/config-worker',
  'cli/mount-helper',
  'server/main',
  'server/control-reader',
  'server/control-writer',
  'server/inflate-worker',
  'server/open-worker',
  'server/order-writer',
  'loop/worker',
  'host/transfer-worker',
  'host/nbd-connect-worker',
  'host/nbd-tls-worker',
];

/** With binaries, which are files beside them. */
const EXTERNAL = ['koffi', 'fuse-native'];

/** The oldest Node.js of package.json. */
const NODE = 'node20.19';

/** What a module of CommonJS has instead. */
const LOCATION = {
  'import.meta.dirname': '__dirname',
  'import.meta.filename': '__filename',
  'import.meta.url': 'moduleUrl',
};
const MODULE_URL = 'const moduleUrl = require("node:url").pathToFileURL(__filename).href;';

/**
 * Bundles one program. Programs share no files: then a program is one file, and one more for what it loads
 * later, where shared code would be cut into a file for each set of programs that use it. Only as ES
 * modules can esbuild load code later, so those come first.
 */
function bundle(program: string): Promise<BuildResult<{ metafile: true; write: false }>> {
  return build({
    entryPoints: [join(SOURCES, `${program}.ts`)],
    outbase: SOURCES,
    outdir: TARGET,
    // One folder below dist/, as the programs are: the way from each file to a program is the same.
    chunkNames: 'parts/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: NODE,
    external: EXTERNAL,
    absWorkingDir: ROOT,
    metafile: true,
    write: false,
  });
}

async function toCommonJs(text: string): Promise<string> {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: NODE,
    supported: { 'dynamic-import': false },
    define: LOCATION,
    banner: text.includes('import.meta.url') ? MODULE_URL : '',
  });
  return code;
}

/** The licences of the packages that the bundle contains, as they demand. */
function licenses(inputs: readonly string[]): string {
  const packages = inputs.flatMap(
    (path) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  const texts = [...new Set(packages)].sort().map((folder) => {
    const name = folder.replace(/^.*node_modules\//, '');
    return `${name}\n\n${licenseOf(join(ROOT, folder)).trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

/** A package without a file for it says it at the beginning of its code. */
function licenseOf(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  const { main, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const notice = /^\/\*!([\s\S]*?)\*\//.exec(readFileSync(join(folder, main), 'utf8'))?.[1];
  if (notice === undefined) throw new Error(`${folder} does not say its licence`);
  return `${license}\n${notice.replace(/^ \* ?/gm, '')}`;
}

/** Writes a file below dist/. @returns its path */
function write(path: string, text: string, mode = 0o644): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
  return path;
}

/** The page for browsers, with its library: a script and a style sheet beside the HTML. */
function bundlePage(): Promise<BuildResult<{ metafile: true; write: false }>> {
  return build({
    entryPoints: ['ts', 'css'].map((ending) => join(ROOT, `page/page.${ending}`)),
    outdir: join(TARGET, 'page'),
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    absWorkingDir: ROOT,
    metafile: true,
    write: false,
  });
}

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const bundles = await Promise.all(PROGRAMS.map(bundle));
const page = await bundlePage();
const inputs = [...bundles, page].flatMap(({ metafile }) => Object.keys(metafile.inputs));
const written = [
  write(join(TARGET, 'package.json'), `${JSON.stringify({ type: 'commonjs', version })}\n`),
  write(join(TARGET, 'LICENSES'), licenses(inputs)),
];
const modules = bundles.flatMap(({ outputFiles }) => outputFiles);
// All at once, because esbuild uses every processor.
const texts = await Promise.all(modules.map(({ text }) => toCommonJs(text)));
for (const [index, { path, text }] of modules.entries()) {
  written.push(write(path, texts[index]!, text.startsWith('#!') ? 0o755 : 0o644));
}
for (const { path, text } of page.outputFiles) written.push(write(path, text));
for (const [name, text] of await manPages()) written.push(write(join(TARGET, 'man', name), text));
// Types for those who import the package: those of one file, and of its two functions.
const types = readFileSync(join(SOURCES, 'api/types.ts'), 'utf8');
const functions = ['mount: MountFunction', 'connect: ConnectFunction'].map(
  (one) => `export declare const ${one};\n`,
);
written.push(write(join(TARGET, 'api/index.d.ts'), `${types}\n${functions.join('')}`));
const html = readFileSync(join(ROOT, 'page/page.html'), 'utf8');
written.push(write(join(TARGET, 'page/page.html'), html));
// Files of an older build go last: a program that runs finds what it has not loaded yet.
for (const entry of readdirSync(TARGET, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !written.includes(path)) rmSync(path);
}
