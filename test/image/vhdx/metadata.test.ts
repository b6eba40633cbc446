import test from 'ava';
import { readMetadata } from '../../../src/image/vhdx/metadata.js';
import { SluiceError } from '../../../src/util/errors.js';
import { type DiskFields, type Item, itemsOf, MIB, metadataOf } from './make-vhdx.js';

const REGION = { offset: 0, bytes: MIB };

function read(items: readonly Item[], change?: (bytes: Buffer) => void) {
  const bytes = metadataOf(items);
  change?.(bytes);
  const file = {
    path: '/vm.vhdx',
    size: bytes.length,
    read: (offset: number, length: number) => {
      const part = Buffer.alloc(length);
      bytes.copy(part, 0, offset, offset + length);
      return part;
    },
  };
  return readMetadata(file, REGION);
}

function refusal(items: readonly Item[], change?: (bytes: Buffer) => void): string {
  try {
    read(items, change);
    return 'taken';
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `${error.exitCode} ${error.message.slice('/vm.vhdx: '.length)}`;
  }
}

test('the items of a disk', (t) => {
  t.deepEqual(read(itemsOf({ size: 2 ** 46, blockBytes: 32 * MIB, flags: 1, sectorBytes: 4096 })), {
    ...{ size: 2 ** 46, blockBytes: 32 * MIB, sectorBytes: 4096, isFixed: true, parent: null },
  });
  const { parent } = read(
    itemsOf({
      parent: {
        ...{ parent_linkage: '{ABCDEF00-0000-0000-0000-000000000001}', parent_linkage2: '{2}' },
        ...{ volume_path: '\\\\?\\Volume{1}\\vms\\b.vhdx', relative_path: '.\\a.vhdx', other: 'x' },
      },
    }),
  );
  t.deepEqual(parent, {
    ids: ['abcdef00-0000-0000-0000-000000000001', '2'],
    names: ['./a.vhdx', './b.vhdx'],
  });
});

test('unknown items are left alone, unless they are required', (t) => {
  const id = '00112233-4455-6677-8899-aabbccddeeff';
  t.is(refusal(itemsOf({ more: [[id, Buffer.alloc(5), 2]] })), 'taken');
  t.is(
    refusal(itemsOf({ more: [[id, Buffer.alloc(5), 4]] })),
    `3 it has metadata that is not known here, ${id}`,
  );
});

test('what is missing or cannot be right is refused', (t) => {
  const all = itemsOf();
  for (const [index, what] of [
    [0, 'file parameters'],
    [1, 'disk size'],
    [3, 'sector size'],
  ] as const) {
    t.is(refusal(all.filter((_, at) => at !== index)), `3 its metadata has no ${what}`);
  }
  t.is(refusal(itemsOf({ flags: 2 })), '3 its metadata has no parent locator');
  const told = (fields: DiskFields) => refusal(itemsOf(fields));
  for (const blockBytes of [0, 4096, 3 * MIB, 512 * MIB])
    t.regex(told({ blockBytes }), /^3 blocks of /);
  for (const sectorBytes of [0, 513, 8192]) t.regex(told({ sectorBytes }), /^3 sectors of /);
  t.regex(told({ size: 1000 }), /^3 its size 1000 is not of whole sectors/);
  t.is(told({ parent: { relative_path: 'a' } }), '3 it does not tell the identity of its parent');
  t.regex(refusal([...all, all[0]!]), /^3 its metadata caa16737-\S* is broken/);
  t.is(
    refusal(all, (bytes) => bytes.writeUInt16LE(2048, 10)),
    '3 its table of metadata is broken',
  );
  t.is(
    refusal(all, (bytes) => bytes.fill(0, 0, 8)),
    '3 its table of metadata is broken',
  );
  // Offset and length of the first item.
  for (const [at, value] of [
    [48, 65535],
    [48, 0xffffffff],
    [52, 7],
    [52, 0xffffffff],
  ] as const) {
    t.regex(
      refusal(all, (bytes) => bytes.writeUInt32LE(value, at)),
      /^3 its metadata \S* is broken/,
    );
  }
});

test('a parent locator of another kind, or whose strings do not lie in it, is refused', (t) => {
  const items = itemsOf({ parent: { parent_linkage: '{1}' } });
  const at = 65536 + items.slice(0, 5).reduce((sum, [, data]) => sum + data.length, 0);
  t.regex(
    refusal(items, (bytes) => bytes.fill(0, at, at + 1)),
    /^3 its parent is told in another way/,
  );
  for (const [field, value] of [
    [18, 0xffff],
    [20, 0xffff],
    [24, 0xffff],
    [28, 0xffff],
    [30, 0xffff],
  ] as const) {
    const told = refusal(items, (bytes) => bytes.writeUInt16LE(value, at + field));
    t.is(told, '3 its parent locator is broken', String(field));
  }
});
