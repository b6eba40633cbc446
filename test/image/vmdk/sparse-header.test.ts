import test, { type ExecutionContext } from 'ava';
import type { ReadableFile } from '../../../src/host/open-file.js';
import {
  isSparseHeader,
  readSparseHeader,
  tableCount,
} from '../../../src/image/vmdk/sparse-header.js';
import { SluiceError } from '../../../src/util/errors.js';
import {
  hostedExtent,
  seSparseExtent,
  streamExtent,
  vmfsExtent,
} from '../../../tools/lib/vmdk-maker.js';

const NONE = new Map();

function fileOf(bytes: Buffer): ReadableFile {
  const read = (offset: number, length: number): Uint8Array => {
    const copy = Buffer.alloc(length);
    if (offset < bytes.length) bytes.copy(copy, 0, offset, offset + length);
    return copy;
  };
  return { path: '/vm.vmdk', size: bytes.length, read };
}

function refuses(t: ExecutionContext, bytes: Buffer, says: RegExp): void {
  const error = t.throws(() => readSparseHeader(fileOf(bytes)), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, 3);
}

test('a hosted extent', (t) => {
  const bytes = hostedExtent({ capacity: 200_000, grains: NONE, descriptor: 'x' });
  const layout = readSparseHeader(fileOf(bytes));
  t.like(layout, {
    type: 'hosted',
    capacity: 200_000 * 512,
    grainBytes: 65536,
    entriesPerTable: 512,
    entryBytes: 4,
    // Header, descriptor, and the redundant directory with its four tables come first.
    directory: (1 + 20 + 1 + 4 * 4) * 512,
    zeroGrains: false,
    compressedAt: null,
    descriptor: { offset: 512, length: 10240 },
    version: 1,
  });
  t.is(tableCount(layout), 4);
});

test('a stream: the footer counts', (t) => {
  const layout = readSparseHeader(fileOf(streamExtent(128, new Map([[0, Buffer.alloc(65536)]]))));
  // Overhead; a grain of a sector; the marker and the table; the marker of the directory.
  t.is(layout.directory, (128 + 1 + 1 + 4 + 1) * 512);
  t.is(layout.compressedAt, 12);
  t.is(layout.version, 3);
});

test('an extent of VMFS, and one of seSparse', (t) => {
  t.like(readSparseHeader(fileOf(vmfsExtent(10_000, 1, NONE))), {
    type: 'vmfs',
    capacity: 5_120_000,
    grainBytes: 512,
    entriesPerTable: 4096,
    directory: 2048,
  });
  t.like(readSparseHeader(fileOf(seSparseExtent(40_000, NONE))), {
    type: 'seSparse',
    capacity: 20_480_000,
    grainBytes: 4096,
    entriesPerTable: 4096,
    entryBytes: 8,
    directory: 2048,
    tables: 6,
    grains: 6 + 128,
  });
});

/** Each kind of extent, small. */
const KINDS = {
  hosted: hostedExtent({ capacity: 256, grains: new Map([[1, Buffer.alloc(65536, 1)]]) }),
  stream: streamExtent(256, new Map([[1, Buffer.alloc(65536, 1)]])),
  vmfs: vmfsExtent(256, 8, new Map([[1, Buffer.alloc(4096, 1)]])),
  seSparse: seSparseExtent(256, new Map([[1, Buffer.alloc(4096, 1)]])),
};

function changed(kind: keyof typeof KINDS, at: number, bytes: readonly number[]): Buffer {
  const copy = Buffer.from(KINDS[kind]);
  copy.set(bytes, at < 0 ? copy.length + at : at);
  return copy;
}

for (const [kind, at, bytes, says] of [
  ['hosted', 4, [0], /a VMDK of version 0$/],
  ['hosted', 4, [4], /a VMDK of version 4$/],
  ['hosted', 10, [4], /the unknown flags 0x40000$/],
  ['hosted', 10, [1], /it is compressed, and does not say how$/],
  ['hosted', 77, [2], /its compression is 2$/],
  ['hosted', 75, [10], /it was copied as text, which changed its bytes$/],
  ['hosted', 44, [0, 0], /its grain tables have 0 entries$/],
  ['hosted', 44, [1, 2], /its grain tables have 513 entries$/],
  ['hosted', 20, [0], /its grains have 0 sectors, which is no power of 2/],
  ['hosted', 20, [3], /its grains have 3 sectors/],
  ['hosted', 23, [1], /its grains have 16777344 sectors/],
  ['hosted', 18, [1], /its virtual size is above 2\^53 bytes$/],
  ['hosted', 17, [1], /its grain directory is larger than 32 MiB$/],
  ['hosted', 56, [0, 4], /its grain directory lies behind the end of the file$/],
  ['hosted', 63, [1], /its grain directory lies behind the end of the file$/],
  ['hosted', 66, [1], /the file is cut off$/],
  ['stream', 20, [0, 0, 1], /its compressed grains are larger than 2 MiB$/],
  ['stream', -1024, [0], /its grain directory should be at the end: the file is cut off$/],
  ['stream', -1536 + 12, [2], /its grain directory should be at the end/],
  ['stream', -512 + 12, [1], /its grain directory should be at the end/],
  ['vmfs', 4, [2], /a sparse extent of version 2$/],
  ['vmfs', 16, [0], /its grains have 0 sectors/],
  ['vmfs', 24, [0], /its grain directory has 0 entries, too few for the extent$/],
  ['vmfs', 20, [0], /its grain directory lies behind the end of the file$/],
  ['seSparse', 12, [3], /another version than 2\.1$/],
  ['seSparse', 24, [16], /unknown sizes or flags$/],
  ['seSparse', 40, [1], /unknown sizes or flags$/],
  ['seSparse', 300, [1], /unknown sizes or flags$/],
  ['seSparse', 512, [0], /its second header is missing$/],
  ['seSparse', 512 + 24, [1], /its journal must be replayed by VMware first$/],
  ['seSparse', 136, [0], /its grain directory is too small for the extent$/],
] as const) {
  test(`${kind} with ${bytes} at ${at} is refused`, (t) => {
    // A footer has all that the header of a stream has.
    const place = kind === 'stream' && at >= 0 ? KINDS.stream.length - 1024 + at : at;
    refuses(t, changed(kind, place, bytes), says);
  });
}

test('whatever a field of a header has, it is read or refused', (t) => {
  for (const kind of ['hosted', 'stream', 'vmfs', 'seSparse'] as const) {
    const length = KINDS[kind].length;
    for (const from of kind === 'stream' ? [0, length - 1024] : [0]) {
      for (let at = from; at < from + 256; at += 4) {
        for (const value of [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff]) {
          const copy = Buffer.from(KINDS[kind]);
          copy.writeUInt32LE(value, at);
          try {
            readSparseHeader(fileOf(copy));
          } catch (error) {
            t.true(error instanceof SluiceError, `${kind}: ${value} at ${at}: ${error}`);
          }
        }
      }
    }
  }
});

test('a file that is cut off in its header is refused', (t) => {
  for (const bytes of Object.values(KINDS)) {
    for (const length of [4, 8, 100, 511]) {
      const head = bytes.subarray(0, length);
      t.is(isSparseHeader(head), bytes !== KINDS.seSparse || length >= 8);
      refuses(t, head, /cut off/);
    }
  }
  t.false(isSparseHeader(Buffer.from('KDM')));
});
