import test from 'ava';
import { crc32c } from '../../../src/image/vhdx/crc32c.js';
import { isVhdx, readRegions, readVhdxHeader } from '../../../src/image/vhdx/header.js';
import { SluiceError } from '../../../src/util/errors.js';
import {
  headerOf,
  MIB,
  makeVhdx,
  type Parts,
  REGIONS,
  type Region,
  regionTableOf,
} from './make-vhdx.js';

function fileOf(parts: Parts) {
  const bytes = makeVhdx(parts);
  return {
    path: '/vm.vhdx',
    size: bytes.length,
    read: (offset: number, length: number) => {
      const part = Buffer.alloc(length);
      bytes.copy(part, 0, offset, offset + length);
      return part;
    },
  };
}

function refusal(run: () => unknown): string {
  try {
    run();
    return 'taken';
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `${error.exitCode} ${error.message.slice('/vm.vhdx: '.length)}`;
  }
}

// RFC 3720, appendix B.4, has these values.
test('CRC-32C', (t) => {
  t.is(crc32c(Buffer.from('0000123456789').subarray(4), 100), 0xe3069283);
  t.is(crc32c(new Uint8Array(32), 0), 0x8a9136aa);
  t.is(crc32c(Buffer.alloc(32, 255), 100), 0x62a8ab43);
  const holed = Buffer.alloc(32);
  holed.fill(9, 4, 8);
  t.is(crc32c(holed, 4), 0x8a9136aa);
});

test('the header with the higher sequence number counts, if its checksum is right', (t) => {
  const [old, young] = [
    headerOf({ sequence: 5n, logBytes: MIB }),
    headerOf({ sequence: 2n ** 63n }),
  ];
  const offsetOf = (headers: Parts['headers']) =>
    readVhdxHeader(fileOf({ headers: headers! })).logBytes;
  const large = headerOf({ sequence: 6n, logBytes: 2 * MIB });
  t.is(offsetOf([old, large]), 2 * MIB);
  t.is(offsetOf([large, old]), 2 * MIB);
  t.is(offsetOf([null, large]), 2 * MIB);
  t.is(offsetOf([large, young]), MIB);
  young[100] = 1;
  t.is(offsetOf([large, young]), 2 * MIB);
  large[100] = 1;
  const none = () => offsetOf([large, young]);
  t.is(refusal(none), '3 neither of its headers has a right checksum');
});

test('versions that are not known, and other files, are refused', (t) => {
  for (const header of [headerOf({ version: 2 }), headerOf({ logVersion: 1 })]) {
    const told = refusal(() => readVhdxHeader(fileOf({ headers: [header, null] })));
    t.regex(told, /^3 VHDX version \d, log version \d; only 1 and 0 are/);
  }
  const raw = {
    path: '/vm.vhdx',
    size: 8,
    read: (_: number, length: number) => Buffer.alloc(length),
  };
  t.is(
    refusal(() => readVhdxHeader(raw)),
    '3 not a VHDX image',
  );
  t.true(isVhdx(Buffer.from('vhdxfile')));
  t.false(isVhdx(Buffer.from('vhdxfil')));
});

test('the regions, by the first table with a right checksum', (t) => {
  const expected = {
    table: { offset: 3 * MIB, bytes: MIB },
    metadata: { offset: 2 * MIB, bytes: MIB },
  };
  t.deepEqual(readRegions(fileOf({})), expected);
  const broken = regionTableOf();
  broken[40000] = 1;
  t.deepEqual(readRegions(fileOf({ regions: [broken, regionTableOf()] })), expected);
  const other: Region = ['00112233-4455-6677-8899-aabbccddeeff', 1n, 7];
  t.deepEqual(
    readRegions(fileOf({ regions: [regionTableOf([...REGIONS, other]), null] })),
    expected,
  );
  const none = () => readRegions(fileOf({ regions: [broken, null] }));
  t.is(refusal(none), '3 neither of its region tables has a right checksum');
});

test('region tables that cannot be right or known are refused', (t) => {
  const told = (...regions: Region[]) => {
    return refusal(() => readRegions(fileOf({ regions: [regionTableOf(regions), null] })));
  };
  const [table, metadata] = REGIONS as [Region, Region];
  t.is(told(metadata), '3 it has no table of blocks');
  t.is(told(table), '3 it has no metadata');
  t.regex(told(table, metadata, table), /^3 it has the region .* twice/);
  t.regex(
    told(table, metadata, ['00112233-4455-6677-8899-aabbccddeeff', 1n, 7, 1]),
    /not known here/,
  );
  for (const offset of [0n, 4096n, 2n ** 63n + 1n]) {
    const moved: Region = [table[0], offset, MIB];
    if (offset < 2n ** 63n) t.regex(told(moved, metadata), /does not begin at a MiB/);
  }
  const many = regionTableOf();
  many.writeUInt32LE(2048, 8);
  many.writeUInt32LE(0, 4);
  many.writeUInt32LE(crc32c(many, 4), 4);
  const run = () => readRegions(fileOf({ regions: [many, null] }));
  t.is(refusal(run), '3 its region table has 2048 entries');
});
