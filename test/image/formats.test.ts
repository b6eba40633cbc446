import { constants, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { describeFormats, parseFormats } from '../../src/cli/format-option.js';
import { addFormat, formatRecorded } from '../../src/image/formats.js';
import { openChain } from '../../src/image/open-chain.js';
import { SEEK_DATA, SEEK_HOLE } from '../../src/sys/constants.js';
import { SluiceError } from '../../src/util/errors.js';
import { ENTRY_BYTES, extents, HEADER_BYTES, MAGIC } from '../fixtures/extents/format.js';
import { FileAgent } from '../helpers/file-agent.js';
import { mountTest } from '../helpers/requires.js';
import { Child, type Ended, run } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { pattern, TMPFS, tempFolder } from '../helpers/temp.js';

// A format is a folder and a line of the registry: this one is added by the test.
addFormat(extents);

const KIB = 1024;
const SIZE = 256 * KIB;
/** Start and length of the extents, in the image; in the file they follow each other from 4 KiB. */
const PLACES = [
  [16 * KIB, 8 * KIB],
  [64 * KIB, 32 * KIB],
] as const;
const DATA_AT = 4 * KIB;
const ENXIO = 6;

/** Makes an image; returns its path and its content. */
function makeImage(folder: string, name = 'disk.ext'): { path: string; content: Buffer } {
  const path = join(folder, name);
  const file = Buffer.alloc(DATA_AT + 40 * KIB);
  const content = Buffer.alloc(SIZE);
  file.write(MAGIC, 'latin1');
  file.writeBigUInt64LE(BigInt(SIZE), 8);
  file.writeUInt32LE(PLACES.length, 16);
  let place = DATA_AT;
  for (const [index, [start, length]] of PLACES.entries()) {
    for (const [field, value] of [start, length, place].entries()) {
      file.writeBigUInt64LE(BigInt(value), HEADER_BYTES + index * ENTRY_BYTES + field * 8);
    }
    const bytes = pattern(length, index + 1);
    content.set(bytes, start);
    file.set(bytes, place);
    place += length;
  }
  writeFileSync(path, file);
  return { path, content };
}

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

test('an image is known by its first bytes, unless its name says that it is raw', (t) => {
  const folder = tempFolder(t, TMPFS);
  const chain = openChain(makeImage(folder).path, AUTO);
  chain.close();
  t.is(chain.layers[0]?.format, 'extents');
  t.is(chain.layers[0]?.image.size, SIZE);
  const { path } = makeImage(folder, 'disk.img');
  const error = t.throws(() => openChain(path, AUTO), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', /looks like extents but .*; use --format extents or --format raw$/);
});

test('help and errors about formats name it', (t) => {
  t.regex(describeFormats(), /: auto, raw, qcow2, .* or extents, then/);
  t.deepEqual(parseFormats('extents,extents'), { format: 'extents', backingFormats: ['extents'] });
  t.throws(() => parseFormats('ewf'), { message: /which has auto, raw, qcow2, .*extents$/ });
});

test('a format has further names in images that record it', (t) => {
  t.is(formatRecorded('host_device')?.name, 'raw');
  t.is(formatRecorded('extents'), extents);
  t.is(formatRecorded('ewf'), undefined);
});

const ADDED = fileURLToPath(new URL('../fixtures/extents-main.js', import.meta.url));

/** The modules one by one: a module that is loaded before the program cannot change its bundle. */
const UNBUNDLED = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function words(...command: string[]): string[] {
  return ['--import', ADDED, UNBUNDLED, ...command];
}

function sluice(...command: string[]): Promise<Ended> {
  return run(process.execPath, words(...command));
}

test('info and map tell of it', async (t) => {
  const { path } = makeImage(tempFolder(t, TMPFS));
  const info = await sluice('info', path, '--json');
  t.is(info.code, 0, info.stderr);
  t.like(JSON.parse(info.stdout), {
    format: 'extents',
    virtualSize: SIZE,
    features: { extents: 2 },
    content: { data: 40 * KIB, compressed: 0, zero: 0, hole: SIZE - 40 * KIB },
    problems: [],
  });
  t.regex((await sluice('info', path)).stdout, /^features: {4}2 extents$/m);
  const map = await sluice('map', path, '--json');
  t.deepEqual(JSON.parse(map.stdout), entriesOf(0));
});

/** The map of the image, `depth` layers below the top. */
function entriesOf(depth: number): object[] {
  const hole = (start: number, end: number) => ({
    ...{ start, length: end - start, depth, present: false, zero: true, data: false },
  });
  const data = (start: number, length: number, offset: number) => ({
    ...{ start, length, depth, present: true, zero: false, data: true, offset },
  });
  return [
    hole(0, 16 * KIB),
    data(16 * KIB, 8 * KIB, DATA_AT),
    hole(24 * KIB, 64 * KIB),
    data(64 * KIB, 32 * KIB, DATA_AT + 8 * KIB),
    hole(96 * KIB, SIZE),
  ];
}

/** Serves images in the foreground while `use` runs. */
async function withMount(
  t: ExecutionContext,
  folder: string,
  command: string[],
  use: (agent: FileAgent, file: string) => Promise<void>,
): Promise<void> {
  const point = join(folder, 'mnt');
  mkdirSync(point, { recursive: true });
  t.teardown(() => forceAway(point));
  const mount = new Child(process.execPath, words('mount', ...command, point, '--foreground'));
  await mount.line(/ is ready/);
  const agent = new FileAgent(t);
  await use(agent, join(point, 'disk.raw'));
  mount.process.kill('SIGTERM');
  t.is((await mount.ended).code, 0, mount.stderr);
}

/** Arguments and results of lseek(2). */
const SEEKS = [
  [SEEK_DATA, 0, 16 * KIB],
  [SEEK_HOLE, 16 * KIB, 24 * KIB],
  [SEEK_DATA, 30 * KIB, 64 * KIB],
  [SEEK_HOLE, 70 * KIB, 96 * KIB],
  [SEEK_DATA, 96 * KIB, -ENXIO],
] as const;

mountTest('it is mounted for reading, with its holes, and refused for writing', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const { path, content } = makeImage(folder);
  for (const transport of ['uring', 'fuse-native']) {
    const command = [`disk=${path}`, '--read-only', '--transport', transport];
    await withMount(t, folder, command, async (agent, file) => {
      const fd = await agent.open(file, constants.O_RDONLY);
      t.true((await agent.read(fd, 0, SIZE)).bytes.equals(content));
      // libfuse 2 passes lseek(2) on to nobody.
      for (const [whence, offset, result] of transport === 'uring' ? SEEKS : []) {
        t.is(await agent.result({ call: 'lseek', fd, offset, whence }), result);
      }
      await agent.close(fd);
    });
  }
  const refused = await sluice('mount', path, join(folder, 'mnt'), '--foreground');
  t.is(refused.code, 3);
  t.regex(
    refused.stderr,
    /an image of the format extents cannot be written; --overlay FILE keeps .*, --read-only/,
  );
});

mountTest('writes go to an overlay, of which it is the backing file', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const { path, content } = makeImage(folder);
  const overlay = join(folder, 'overlay.qcow2');
  const command = [`disk=${path}`, '--overlay', overlay];
  await withMount(t, folder, command, async (agent, file) => {
    const fd = await agent.open(file, constants.O_RDWR);
    t.true((await agent.read(fd, 0, SIZE)).bytes.equals(content));
    const bytes = pattern(10_000, 9);
    t.is(await agent.write(fd, 70_000, bytes), bytes.length);
    content.set(bytes, 70_000);
    t.true((await agent.read(fd, 0, SIZE)).bytes.equals(content));
    await agent.close(fd);
  });
  const chain = JSON.parse((await sluice('info', overlay, '--json')).stdout).chain;
  t.deepEqual(
    chain.map((layer: { format: string }) => layer.format),
    ['qcow2', 'extents'],
  );
  // The cluster that was written is the overlay's; the rest comes from below.
  const map = JSON.parse((await sluice('map', overlay, '--json')).stdout);
  t.deepEqual(map.slice(0, 3), entriesOf(1).slice(0, 3));
  t.like(map[3], { start: 64 * KIB, length: 64 * KIB, depth: 0, present: true, data: true });
});
