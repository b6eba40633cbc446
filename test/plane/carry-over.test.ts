import test from 'ava';
import { Memory } from '../../src/buffers/memory.js';
import { parseMembers } from '../../src/control/members.js';
import { type Assembly, assemble } from '../../src/plane/assemble.js';
import { carryIn, carryOut, closeImages, type Unclosed } from '../../src/plane/carry-over.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import { READ } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';
import { FakeFile, FakeHost, timesAt } from './fake-host.js';

const SIZE = 64 << 10;
const EIO = 5;

const memory = new Memory();

function image(name: string, descriptor: number): DiskConfig {
  return {
    ...{ name, path: `/${name}.img`, format: 'raw', device: descriptor, start: 0, length: null },
    ...{ readOnly: false, growable: false, mode: 0o600, allocated: 0, times: timesAt(0) },
    image: {
      ...{ alignment: 1, blockDevice: false, growable: false, cacheBytes: 0, methods: [] },
      files: [{ descriptor, inMemory: false }],
      layers: [{ format: 'raw', files: [0], hostSize: SIZE, metadata: null }],
      writing: null,
    },
  };
}

/** A data plane of images. */
function mounted(...names: string[]): Assembly {
  const files = names.map(() => new FakeFile(new Uint8Array(SIZE), 1));
  const host = new FakeHost(memory, files, 'plain');
  const config = { disks: names.map(image), groups: [], assignments: [], about: '', depth: 256 };
  const io = { engine: host, memory, inflateCalls: null as never };
  return assemble(config, io, { info: () => {}, warn: () => {} });
}

function nodeOf({ tree }: Assembly, name: string): number {
  return tree.root.children.get(`${name}.raw`)!.id;
}

test('what is open, unflushed and lost goes on in the next process, under the same nodes', (t) => {
  const before = mounted('old', 'log', 'web');
  before.images.detach('old', false, () => {});
  before.plane.endTurn();
  const web = before.images.wholes.find((one) => one.config.name === 'web')!;
  web.opens = 2;
  web.image.dirty = true;
  web.image.losses.add(EIO, 9, 4);
  before.plane.asked.newestHandle = 11;
  const state = structuredClone(carryOut(before));

  const after = mounted('log', 'web');
  t.not(nodeOf(after, 'web'), nodeOf(before, 'web'));
  carryIn(after, state, 0);
  t.is(nodeOf(after, 'web'), nodeOf(before, 'web'));
  t.is(after.plane.asked.newestHandle, 11);
  const [log, next] = after.images.wholes;
  t.deepEqual([log!.opens, log!.image.dirty, log!.image.losses.errno], [0, false, 0]);
  t.deepEqual([next!.opens, next!.image.dirty], [2, true]);
  const { losses } = next!.image;
  // Of the handles that were open at the loss, 4 knows of it; 10 came later.
  t.deepEqual(
    [4, 9, 9, 10].map((handle) => losses.report(handle)),
    [0, -EIO, 0, 0],
  );
});

test('a file that is open and not there any more is refused', (t) => {
  const before = mounted('web');
  const [web] = before.images.wholes;
  web!.opens = 1;
  const state = carryOut(before);
  state.images[0]!.opens = [['web.p1', 1]];
  const error = t.throws(() => carryIn(mounted('web'), state, 0), { instanceOf: SluiceError });
  t.is(error?.message, 'web.p1.raw is open, and is not there any more');
});

test('images that keep metadata in memory are closed, and it is told which cannot be', (t) => {
  const assembly = mounted('plain', 'good', 'bad');
  const closed: string[] = [];
  for (const { image } of assembly.images.wholes) {
    image.dirty = true;
    if (image.name === 'plain') continue;
    Object.assign(image.driver, {
      delaysMetadata: true,
      takeLoss: () => (image.name === 'bad' ? EIO : 0),
      // biome-ignore lint/correctness/useYield: it ends at once.
      *close() {
        closed.push(image.name);
        return image.name === 'bad' ? -EIO : 0;
      },
    });
  }
  let told: readonly Unclosed[] | null = null;
  closeImages(assembly, (failed) => {
    told = failed;
  });
  t.deepEqual(closed, ['good', 'bad']);
  t.deepEqual(told, [{ name: 'bad', errno: EIO }]);
  const [plain, good, bad] = assembly.images.wholes.map((one) => one.image);
  t.deepEqual([plain!.dirty, good!.dirty, bad!.dirty], [true, false, true]);
  t.is(bad!.losses.errno, EIO);
  t.is(assembly.plane.requests.count, 0);
});

test('a rule that was removed while its request was under way is none in the next process', (t) => {
  const before = mounted('web');
  const { throttle, members } = before;
  const gold = throttle.createGroup('gold');
  members.prepare(gold, parseMembers('uid:1'), 0)();
  const [rule] = gold.members;
  throttle.submit(0, rule!, READ, 512, 0);
  members.prepare(gold, parseMembers('-uid:1'), 0)();
  throttle.complete(0, 0);
  members.sweep(0);
  const state = carryOut(before).throttle;
  t.deepEqual(
    state.members.map(({ name }) => name),
    ['web'],
  );
  // What it has read stays with the mount.
  const after = mounted('web');
  after.throttle.createGroup('gold');
  after.throttle.carryIn(state, 0);
  t.is(after.throttle.groupStats(after.throttle.root).rbytes, 512);
});
