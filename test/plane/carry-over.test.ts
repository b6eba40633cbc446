import test from 'ava';
import { Memory } from '../../src/buffers/memory.js';
import { parseMembers } from '../../src/control/members.js';
import type { TableFound } from '../../src/image/read-image.js';
import { type Assembly, assemble } from '../../src/plane/assemble.js';
import {
  asBefore,
  carryIn,
  carryOut,
  closeImages,
  type Unclosed,
} from '../../src/plane/carry-over.js';
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

/** A table with these partitions: number and first byte. */
function tableOf(...places: [number: number, start: number][]): TableFound {
  const partitions = places.map(([number, start]) => {
    const rest = { type: '83', name: '', uuid: '', bootable: false, isExtended: false };
    return { number, start, size: 4096, ...rest };
  });
  const about = {
    scheme: 'mbr',
    sectorSize: 512,
    id: '',
    isHybrid: false,
    isBackup: false,
  } as const;
  const table = { ...about, partitions, problems: [] };
  return {
    sectors: { gpt: [512], mbr: 512 },
    table,
    ranges: [{ offset: 0, length: 512 }],
    failure: '',
  };
}

/** A data plane of images. */
function mounted(...names: string[]): Assembly {
  return mountedAs(...names.map(image));
}

function mountedAs(...disks: DiskConfig[]): Assembly {
  const files = disks.map(() => new FakeFile(new Uint8Array(SIZE), 1));
  const host = new FakeHost(memory, files, 'plain');
  const config = { disks, groups: [], assignments: [], about: '', depth: 256 };
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
  web.opens = 3;
  // The kernel asks for it again.
  web.pendingOpens = 1;
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

test('a partition that is shown stays so, although the table is another one by now', (t) => {
  const disk = image('web', 0);
  const before = mountedAs({ ...disk, partitions: tableOf([1, 4096], [2, 8192]) });
  const [first] = before.images.wholes[0]!.image.partitions!.disks;
  first!.opens = 1;
  const state = structuredClone(carryOut(before));

  const same = { ...disk, partitions: tableOf([1, 4096], [2, 8192]) };
  t.is(asBefore(same, state), same);
  const after = mountedAs(asBefore({ ...disk, partitions: tableOf([3, 8192]) }, state));
  carryIn(after, state, 0);
  const { disks, watch } = after.images.wholes[0]!.image.partitions!;
  t.deepEqual(
    disks.map(({ config: { name, start }, opens }) => [name, start, opens]),
    [
      ['web.p1', 4096, 1],
      ['web.p2', 8192, 0],
    ],
  );
  t.true(watch.isStale, 'it is read again with the next flush or close');
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
