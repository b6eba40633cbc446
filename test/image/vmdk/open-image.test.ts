import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { NamedFiles } from '../../../src/image/named-files.js';
import { type ChainOptions, openChain } from '../../../src/image/open-chain.js';
import { SluiceError } from '../../../src/util/errors.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import {
  descriptorText,
  type Grains,
  hostedExtent,
  seSparseExtent,
  streamExtent,
  vmfsExtent,
} from '../../../tools/lib/vmdk-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

const SECTOR = 512;
const GRAIN = 65536;
const AUTO: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };

function makeFolder(t: ExecutionContext): (name: string, bytes: string | Uint8Array) => string {
  const folder = tempFolder(t, TMPFS);
  return (name, bytes) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
}

function refuses(
  t: ExecutionContext,
  path: string,
  says: RegExp,
  options: Partial<ChainOptions> = {},
  code = 3,
): void {
  const error = t.throws(() => openChain(path, { ...AUTO, ...options }).close(), {
    instanceOf: SluiceError,
  });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, code);
}

/** Grains of noise with the contents of the disk that they make. */
function noise(places: readonly number[], grainBytes: number, size: number) {
  const content = Buffer.alloc(size);
  const grains = new Map(places.map((place) => [place, pattern(grainBytes, place + 1)] as const));
  for (const [place, bytes] of grains) bytes.copy(content, place * grainBytes);
  return { grains: grains as Grains, content };
}

test('a disk in extents of every kind', async (t) => {
  const write = makeFolder(t);
  const hosted = noise([3, 1, 17], GRAIN, 20 * GRAIN);
  const vmfs = noise([0, 9, 4096, 4097], SECTOR, 5000 * SECTOR);
  const wide = noise([2, 5, 6, 4095, 4096], 4096, 40_000 * SECTOR);
  const flat = pattern(10 * SECTOR, 99);
  write('a-s001.vmdk', hostedExtent({ capacity: 20 * 128, grains: hosted.grains }));
  write('a-flat.vmdk', flat);
  write('a-delta.vmdk', vmfsExtent(5000, 1, vmfs.grains));
  write('a-sesparse.vmdk', seSparseExtent(40_000, wide.grains));
  const lines = [
    `RW ${20 * 128} SPARSE "a-s001.vmdk"`,
    'RW 4 FLAT "a-flat.vmdk" 6',
    'NOACCESS 7 ZERO',
    'RW 5000 VMFSSPARSE "a-delta.vmdk"',
    'RDONLY 3 VMFS "a-flat.vmdk"',
    'RW 40000 SESPARSE "a-sesparse.vmdk"',
  ];
  const path = write('a.vmdk', descriptorText(lines));
  const expected = Buffer.concat([
    hosted.content,
    flat.subarray(6 * SECTOR),
    Buffer.alloc(7 * SECTOR),
    vmfs.content,
    flat.subarray(0, 3 * SECTOR),
    wide.content,
  ]);
  sameBytes(t, await readImage(path), expected);
  // With hardly any cache, too.
  sameBytes(t, await readImage(path, { cacheBytes: 0 }), expected);
  const kinds = openKinds(path);
  t.deepEqual(kinds, ['hosted', 'flat', 'zero', 'vmfs', 'flat', 'seSparse']);
});

function openKinds(path: string): string[] {
  const chain = openChain(path, AUTO);
  const { features } = chain.layers[0]!.image.describe();
  chain.close();
  return (features as { extents: { kind: string }[] }).extents.map(({ kind }) => kind);
}

test('grains of zeros hide the parent, missing ones show it', async (t) => {
  const write = makeFolder(t);
  const base = noise([0, 1, 2, 3], GRAIN, 4 * GRAIN);
  const extent = (name: string) => descriptorText([`RW 512 SPARSE "${name}"`]);
  write(
    'base.vmdk',
    hostedExtent({ capacity: 512, grains: base.grains, descriptor: extent('base.vmdk') }),
  );
  const over = descriptorText(
    ['RW 512 SPARSE "top.vmdk"'],
    ['parentFileNameHint="base.vmdk"'],
  ).replace('parentCID=ffffffff', 'parentCID=12345678');
  const own = pattern(GRAIN, 50);
  const grains: Grains = new Map<number, Buffer | 'zeros'>([
    [1, 'zeros'],
    [2, own],
  ]);
  const path = write(
    'top.vmdk',
    hostedExtent({ capacity: 512, version: 2, flags: 7, grains, descriptor: over }),
  );
  base.content.fill(0, GRAIN, 2 * GRAIN);
  own.copy(base.content, 2 * GRAIN);
  sameBytes(t, await readImage(path), base.content);
  t.like(mapOfImage(path), [
    { start: 0, depth: 1, present: true, data: true },
    { start: GRAIN, depth: 0, present: true, zero: true, data: false, offset: null },
    { start: 2 * GRAIN, depth: 0, data: true },
    { start: 3 * GRAIN, depth: 1, data: true },
  ]);
});

test('only the redundant directory, small tables, small grains', async (t) => {
  const write = makeFolder(t);
  const { grains, content } = noise([0, 5, 130, 131, 299], 4096, 300 * 4096);
  const path = write(
    'a.vmdk',
    hostedExtent({
      ...{ capacity: 2400, grains, grainSectors: 8, tableEntries: 128, redundantOnly: true },
      descriptor: descriptorText(['RW 2400 SPARSE "a.vmdk"']),
    }),
  );
  sameBytes(t, await readImage(path), content);
});

for (const version of [1, 3]) {
  test(`a stream of version ${version} whose last grain is whole, or not`, async (t) => {
    const write = makeFolder(t);
    const { grains, content } = noise([0, 7, 511, 512, 600], GRAIN, 601 * GRAIN);
    const path = write('a.vmdk', streamExtent(601 * 128, grains, version));
    sameBytes(t, await readImage(path), content);
    const short = new Map(grains).set(600, pattern(GRAIN, 601).subarray(0, 3 * SECTOR));
    const odd = write('b.vmdk', streamExtent(600 * 128 + 3, short, version));
    sameBytes(t, await readImage(odd), content.subarray(0, 600 * GRAIN + 3 * SECTOR));
    // A grain that inflates to less than the disk has there is broken.
    const broken = write('c.vmdk', streamExtent(601 * 128, short, version));
    await t.throwsAsync(readImage(broken), { message: /^errno 5 / });
    t.is((await readImage(broken, { from: 0, length: GRAIN })).length, GRAIN);
  });
}

test('a grain whose stream is damaged is EIO, the others are read', async (t) => {
  const write = makeFolder(t);
  const bytes = streamExtent(256, noise([0, 1], GRAIN, 2 * GRAIN).grains);
  bytes[128 * SECTOR + 40_000]! ^= 1;
  const path = write('a.vmdk', bytes);
  await t.throwsAsync(readImage(path, { length: 10 }), { message: /^errno 5 at 0$/ });
  sameBytes(t, await readImage(path, { from: GRAIN }), pattern(GRAIN, 2));
});

test('a descriptor alone in a sparse header', async (t) => {
  const write = makeFolder(t);
  write('a-flat.vmdk', pattern(2048, 1));
  const descriptor = descriptorText(['RW 4 FLAT "a-flat.vmdk" 0']);
  const path = write('a.vmdk', hostedExtent({ capacity: 0, grains: new Map(), descriptor }));
  sameBytes(t, await readImage(path), pattern(2048, 1));
});

test('a disk without extents is empty', async (t) => {
  const write = makeFolder(t);
  t.is((await readImage(write('a.vmdk', descriptorText([])))).length, 0);
  const header = hostedExtent({ capacity: 0, grains: new Map(), descriptor: descriptorText([]) });
  t.is((await readImage(write('b.vmdk', header))).length, 0);
});

test('an extent is no disk: the descriptor is asked for', (t) => {
  const write = makeFolder(t);
  for (const bytes of [
    hostedExtent({ capacity: 128, grains: new Map() }),
    vmfsExtent(128, 1, new Map()),
    seSparseExtent(128, new Map()),
  ]) {
    refuses(t, write('a-s001.vmdk', bytes), /extent of a disk; use the descriptor file that names/);
  }
});

test('what a descriptor has of its extents must be so', (t) => {
  const write = makeFolder(t);
  write('s.vmdk', hostedExtent({ capacity: 128, grains: new Map() }));
  write('se.vmdk', seSparseExtent(128, new Map()));
  write('text.vmdk', descriptorText([]));
  for (const [line, says] of [
    ['RW 129 SPARSE "s.vmdk"', /s\.vmdk: it has 65536 bytes of the disk, fewer .*: 66048$/],
    ['RW 128 SESPARSE "s.vmdk"', /s\.vmdk: it is not of the type SESPARSE of its descriptor$/],
    ['RW 128 SPARSE "se.vmdk"', /se\.vmdk: it is not of the type SPARSE of its descriptor$/],
    ['RW 1 SPARSE "text.vmdk"', /text\.vmdk: (it is no sparse extent of a VMDK|the file is cut)/],
    ['RW 1 VMFSRDM "s.vmdk"', /its extent "s\.vmdk" is of type VMFSRDM$/],
    ['NOACCESS 1 FLAT "s.vmdk" 0', /it has no access to its extent "s\.vmdk"$/],
    ['RW 1 FLAT', /its extent of type FLAT has no file$/],
    ['RW 1 FLAT "a.vmdk" 0', /its external data file is the image itself$/],
    [
      'RW 1 FLAT "nbd://x" 0',
      /its data file nbd:\/\/x is on a server; --data-file nbd:\/\/x allows it$/,
    ],
  ] as const) {
    refuses(t, write('a.vmdk', descriptorText([line])), says);
  }
  const missing = write('a.vmdk', descriptorText(['RW 1 FLAT "gone.vmdk" 0']));
  refuses(t, missing, /a\.vmdk: its data file .*gone\.vmdk: no such file/, {}, 1);
  refuses(t, write('b.vmdk', descriptorText([])), /no internal snapshots/, { snapshot: '1' });
});

const NOTHING: NamedFiles = { dataFiles: [], backingFiles: [], untrusted: false };

test('extents lie in the folder of their descriptor, unless they are named', async (t) => {
  const write = makeFolder(t);
  const outside = makeFolder(t)('secret', pattern(SECTOR, 3));
  const path = write('a.vmdk', descriptorText([`RW 1 FLAT "${outside}" 0`]));
  refuses(t, path, /its data file \S*secret lies outside the folder of the image; --data-file/);
  const named = { ...NOTHING, dataFiles: [outside] };
  sameBytes(t, await readImage(path, { named }), pattern(SECTOR, 3));
  const inside = write('a-flat.vmdk', pattern(SECTOR, 3));
  const own = write('b.vmdk', descriptorText(['RW 1 FLAT "a-flat.vmdk" 0']));
  const untrusted = { ...NOTHING, untrusted: true };
  refuses(t, own, /it names the data file \S*a-flat\.vmdk, and --untrusted takes only/, {
    named: untrusted,
  });
  const both = { ...untrusted, dataFiles: [inside] };
  sameBytes(t, await readImage(own, { named: both }), pattern(SECTOR, 3));
});

qemuTest('the parent is the one that the disk was made over', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const create = (name: string, ...more: string[]) => {
    maker.img('create', '-q', '-f', 'vmdk', ...more, name, '1M');
  };
  create('base.vmdk');
  create('top.vmdk', '-b', 'base.vmdk', '-F', 'vmdk');
  const path = maker.path('top.vmdk');
  t.notThrows(() => openChain(path, AUTO).close());
  refuses(t, path, /it names the backing file \S*base\.vmdk, and --untrusted/, {
    named: { ...NOTHING, untrusted: true },
  });
  // QEMU gives a disk a new content ID with the first write.
  maker.io('base.vmdk', 'vmdk', 'write 0 64k');
  refuses(
    t,
    path,
    /top\.vmdk: its backing file \S*base\.vmdk is another one or has been changed: its identity is content ID [0-9a-f]{8}, not content ID [0-9a-f]{8}$/,
  );
  maker.create('base.vmdk', '1M');
  refuses(t, path, /base\.vmdk: it has no descriptor of a disk$/);
  truncateSync(maker.path('base.vmdk'), 0);
  refuses(t, path, /base\.vmdk: it has no descriptor of a disk$/);
});

test('a parent that is missing is named, one of Windows is beside the disk', async (t) => {
  const write = makeFolder(t);
  const over = (name: string) =>
    descriptorText(['RW 1 ZERO'], [`parentFileNameHint="${name}"`]).replace(
      '=ffffffff',
      '=12345678',
    );
  const path = write('top.vmdk', over('gone.vmdk'));
  refuses(t, path, /top\.vmdk: its backing file \S*gone\.vmdk: no such file/, {}, 1);
  write('base.vmdk', descriptorText(['RW 1 ZERO']));
  for (const name of ['base.vmdk', 'C:\\VMs\\base.vmdk', '\\\\server\\x\\base.vmdk']) {
    const chain = openChain(write('top.vmdk', over(name)), AUTO);
    t.is(chain.layers.length, 2);
    chain.close();
  }
  refuses(t, write('top.vmdk', over('top.vmdk')), /its backing files form a loop at/);
  write('middle.vmdk', over('top.vmdk'));
  refuses(t, write('top.vmdk', over('middle.vmdk')), /its backing files form a loop at/);
});

test('info tells of extents and of what is wrong with them', (t) => {
  const write = makeFolder(t);
  write('f.vmdk', Buffer.alloc(1000));
  const unclean = hostedExtent({ capacity: 128, grains: new Map() });
  unclean[72] = 1;
  write('s.vmdk', unclean);
  const lines = ['RW 4 FLAT "f.vmdk" 0', 'RW 128 SPARSE "s.vmdk"'];
  const path = write('a.vmdk', descriptorText(lines));
  const chain = openChain(path, AUTO);
  const described = chain.layers[0]!.image.describe();
  chain.close();
  t.like(described.features, {
    createType: 'custom',
    contentId: '12345678',
    parentContentId: null,
    extents: [
      { kind: 'flat', start: 0, length: 2048, offset: 0 },
      { kind: 'hosted', start: 2048, length: 65536, version: 1, compressed: false },
    ],
  });
  t.regex(described.problems[0] ?? '', /f\.vmdk: ends 1048 bytes before its extent; they read/);
  t.regex(described.problems[1] ?? '', /s\.vmdk: was not closed by the program that wrote it$/);
});

for (const kind of ['hosted', 'stream', 'vmfs', 'seSparse'] as const) {
  test(`${kind}, cut off at every sector: refused, or EIO, or as it was`, async (t) => {
    const write = makeFolder(t);
    const { bytes, content } = small(kind);
    const type = { hosted: 'SPARSE', stream: 'SPARSE', vmfs: 'VMFSSPARSE', seSparse: 'SESPARSE' };
    const own = write('x.vmdk', bytes);
    const path = write('a.vmdk', descriptorText([`RW 256 ${type[kind]} "x.vmdk"`]));
    sameBytes(t, await readImage(path), content);
    let refused = 0;
    for (let length = 0; length < bytes.length; length += SECTOR) {
      writeFileSync(own, bytes.subarray(0, length));
      try {
        const got = await readImage(path);
        // What is there is right; a grain that is cut in two has zeros for the rest.
        for (let at = 0; at < got.length; at += SECTOR) {
          const sector = got.subarray(at, at + SECTOR);
          const isZero = sector.every((byte) => byte === 0);
          t.true(isZero || content.subarray(at, at + SECTOR).equals(sector));
        }
        t.true(length > bytes.length - GRAIN, `cut to ${length}`);
      } catch (error) {
        t.true(error instanceof SluiceError || /^errno 5 /.test(String((error as Error).message)));
        refused++;
      }
    }
    t.true(refused > 4);
    t.is(readFileSync(own).length, bytes.length - SECTOR);
  });
}

/** An extent of 256 sectors with its last allocated grain at the end of the file. */
function small(kind: 'hosted' | 'stream' | 'vmfs' | 'seSparse') {
  const grainBytes = { hosted: GRAIN, stream: GRAIN, vmfs: SECTOR, seSparse: 4096 }[kind];
  const { grains, content } = noise([0, 1], grainBytes, 256 * SECTOR);
  const make = {
    hosted: () => hostedExtent({ capacity: 256, grains }),
    stream: () => streamExtent(256, grains),
    vmfs: () => vmfsExtent(256, 1, grains),
    seSparse: () => seSparseExtent(256, grains),
  };
  return { bytes: make[kind](), content };
}

test('a folder where a file should be', (t) => {
  const write = makeFolder(t);
  const path = write('a.vmdk', descriptorText(['RW 1 FLAT "sub" 0']));
  mkdirSync(path.replace('a.vmdk', 'sub'));
  refuses(t, path, /sub: a directory, not an image$/);
});
