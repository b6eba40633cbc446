import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import test from 'ava';
import { parseLine } from '../../src/cli/parser.js';
import { SLUICE } from '../../tools/lib/program.js';
import { ownNamespace } from '../helpers/namespace.js';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';
import { tempFolder } from '../helpers/temp.js';
import {
  type Block,
  LINES_NOT_RUN,
  NOT_RUN,
  PROGRAMS,
  REPLACED,
  SCENES,
  type Scene,
} from './scenes.js';

/** Every command line in README.md and docs/ is run, as far as a test can. `make docs-test` demands it of new ones, too. */

const IS_STRICT = process.env.SLUICE_DOCS === 'strict';

interface Shown {
  file: string;
  /** Whole commands, without comments; lines that go on are one. */
  lines: string[];
}

/** Blocks of code: lines with four spaces before them, after an empty line. */
function blocksOf(file: string): Shown[] {
  const text = readFileSync(file, 'utf8').replaceAll(/^```.*?^```$/gms, '');
  const found = [...text.matchAll(/(?<=\n\n)(?: {4}[^\n]*\n)+/g)];
  return found.map(([block]) => {
    const plain = block.replaceAll(/^ {4}/gm, '').replaceAll(/\\\n\s*/g, '');
    const lines = plain.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim());
    return { file, lines: lines.filter((line) => line !== '') };
  });
}

const FILES = [
  'README.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const SHOWN = FILES.flatMap(blocksOf);

function isCommand({ lines: [first = ''] }: Shown): boolean {
  return PROGRAMS.includes(first.split(' ')[0]!) || /^[A-Z]=/.test(first);
}

/** `sluice stat MOUNTPOINT [--json]`: test/docs/manual.test.ts compares these. */
function isSynopsis({ lines: [first = ''] }: Shown): boolean {
  return first.startsWith('sluice ') && /\b[A-Z]{4,}\b|\[|\w\|\w/.test(first);
}

const COMMANDS = SHOWN.filter((shown) => isCommand(shown) && !isSynopsis(shown));

/** The reason why a block is not run. Its first lines begin so. */
function reasonOf({ lines }: Shown): string | undefined {
  const begin = lines.slice(0, 2).join(', ');
  return Object.entries(NOT_RUN).find(([name]) => begin.startsWith(name))?.[1];
}

function blockOf(first: string): Shown | undefined {
  return COMMANDS.find((shown) => shown.lines[0] === first && reasonOf(shown) === undefined);
}

const FIRST_LINES = Object.values(SCENES).flatMap(({ blocks }) => blocks.map(({ first }) => first));

test('every command line of sluice in the docs can be parsed', async (t) => {
  const lines = COMMANDS.flatMap(({ lines }) => lines).flatMap((line) => line.split(/ && |; /));
  const ours = lines.filter((line) => line.startsWith('sluice '));
  t.true(ours.length > 40);
  for (const line of ours) {
    const words = line
      .replace(/ [>|] .*$/, '')
      .split(' ')
      .slice(1);
    await t.notThrowsAsync(parseLine(words.map((word) => word.replaceAll("'", ''))), line);
  }
});

test('every block is run, or there is a reason why not', (t) => {
  const missing = COMMANDS.filter((shown) => {
    return reasonOf(shown) === undefined && !FIRST_LINES.includes(shown.lines[0]!);
  });
  const names = missing.map(({ file, lines }) => `${file}: ${lines[0]}`);
  if (IS_STRICT) t.deepEqual(names, []);
  else if (names.length > 0) t.log(`neither run nor on the list: ${names.join('; ')}`);
  // Nothing is listed that is not there.
  for (const first of FIRST_LINES) t.truthy(blockOf(first), first);
  for (const name of Object.keys(NOT_RUN)) {
    t.true(
      COMMANDS.some(({ lines }) => lines.slice(0, 2).join(', ').startsWith(name)),
      name,
    );
  }
});

test('tools and targets of make that the docs name exist', (t) => {
  const text = SHOWN.flatMap(({ lines }) => lines).join('\n');
  const makefile = readFileSync('Makefile', 'utf8');
  const tools = [...text.matchAll(/^node (build\/tools\/\S+)/gm)].map(([, path]) => path!);
  const targets = [...text.matchAll(/^make ([\w-]+)/gm)].map(([, target]) => target!);
  t.true(tools.length > 10 && targets.length > 10);
  for (const path of tools) t.true(existsSync(path), path);
  for (const target of targets) t.regex(makefile, new RegExp(`^${target}:`, 'm'), target);
});

/** Functions and folders that the lines of a scene find. */
const PRELUDE = `
set -euo pipefail
for folder in /mnt /run /var/log /tmp; do mount -t tmpfs tmpfs $folder; done
mkdir /mnt/s /mnt/t ~ && cd /srv
image() { truncate -s 1M "$@"; }
stopped() { local code=0; "$@" || code=$?; [ $code = 124 ] || [ $code = 130 ]; }
trap 'code=$?; for at in /mnt/s /tmp/s /tmp/try/s /srv/s /srv/lab0?; do if mountpoint -q $at; then sluice umount --force $at; fi; done; exit $code' EXIT
`;

function replaced(line: string): string {
  return REPLACED.reduce((text, [part, by]) => text.replace(part, by), line);
}

function scriptOf({ first, before = '', each = '' }: Block): string {
  const shown = blockOf(first)!;
  const lines = shown.lines.filter((line) => LINES_NOT_RUN[line] === undefined);
  const run = lines.flatMap((line) => [replaced(line), each]);
  return ['cd /srv', before, ...run].join('\n');
}

/** The scripts of a scene, behind a line that the shell shows when it fails. */
function scene({ before = '', blocks }: Scene): string {
  return [PRELUDE, before, ...blocks.map(scriptOf)].join('\n');
}

/** A scene takes seconds; on a machine under load it may take minutes. */
const SCENE_LIMIT_MS = 240_000;

const needs = ['fuse', 'root', 'io_uring', 'qemu', 'fio', 'sfdisk'] as const;

for (const [name, played] of Object.entries(SCENES)) {
  if (played.isLong && !IS_STRICT) continue;
  requires(...needs)(`the docs' commands run: ${name}`, async (t) => {
    const folder = tempFolder(t);
    const srv = join(folder, 'srv');
    for (const name of ['bin', 'project']) mkdirSync(join(srv, name), { recursive: true });
    const program = join(srv, 'bin/sluice');
    // The scene hides folders that this one may lie in.
    const main = join('/srv/project', relative(process.cwd(), SLUICE));
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    chmodSync(program, 0o755);
    const [, example = ''] =
      /```yaml\n(.*?)```/s.exec(readFileSync('docs/manual.md', 'utf8')) ?? [];
    writeFileSync(join(srv, 'vm.yaml'), example);
    writeFileSync(join(srv, 'scene.sh'), scene(played));
    // Mounts of its own: /mnt/s and /srv are as the docs have them, and nobody else sees them.
    const script = `mount --rbind . '${srv}/project' && mount --rbind '${srv}' /srv && exec bash -x /srv/scene.sh`;
    const env = {
      ...process.env,
      HOME: '/srv/home',
      PATH: `/srv/bin:${process.env.PATH}:/usr/sbin:/sbin`,
    };
    const { code, stderr } = await run('unshare', ownNamespace(['bash', '-c', script]), {
      env,
      limitMs: SCENE_LIMIT_MS,
    });
    t.is(code, 0, stderr.split('\n').slice(-25).join('\n'));
  });
}
