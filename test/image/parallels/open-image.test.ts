import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };
/** Disks of old versions have clusters of a track of 63 sectors. */
const TRACK = 63 * 512;

interface Fields {
  signature?: string;
  version?: number;
  tracks?: number;
  entries?: number;
  sectors?: bigint;
  inUse?: number;
}

/** An image with four clusters of a track, whose table begins at 64, and data at 4096. */
function makeParallels(t: ExecutionContext, fields: Fields, table: number[], data: Buffer): string {
  const front = Buffer.alloc(4096);
  front.write(fields.signature ?? 'WithoutFreeSpace', 0, 'latin1');
  front.writeUInt32LE(fields.version ?? 2, 16);
  front.writeUInt32LE(16, 20);
  front.writeUInt32LE(1, 24);
  front.writeUInt32LE(fields.tracks ?? 63, 28);
  front.writeUInt32LE(fields.entries ?? 4, 32);
  front.writeBigUInt64LE(fields.sectors ?? 4n * 63n - 3n, 36);
  front.writeUInt32LE(fields.inUse ?? 0x312e3276, 44);
  front.writeUInt32LE(8, 48);
  for (const [index, entry] of table.entries()) front.writeUInt32LE(entry, 64 + index * 4);
  const path = join(tempFolder(t, TMPFS), 'vm.hds');
  writeFileSync(path, Buffer.concat([front, data]));
  return path;
}

test('an old image has entries in sectors, and a size of 32 bits', async (t) => {
  const data = Buffer.concat([pattern(TRACK, 1), pattern(TRACK, 2)]);
  const sectors = (7n << 32n) + 4n * 63n - 3n;
  const path = makeParallels(t, { sectors }, [8 + 63, 0, 0, 8], data);
  const whole = Buffer.concat([pattern(TRACK, 2), Buffer.alloc(2 * TRACK), pattern(TRACK, 1)]);
  sameBytes(t, await readImage(path), whole.subarray(0, 4 * TRACK - 3 * 512));
  const map = mapOfImage(path).map(({ present, offset }) => [present, offset]);
  t.deepEqual(map, [
    [true, 4096 + TRACK],
    [false, null],
    [true, 4096],
  ]);
});

test('a new image has entries in clusters', async (t) => {
  const fields = { signature: 'WithouFreSpacExt', tracks: 8, sectors: 32n };
  const data = Buffer.concat([pattern(4096, 1), pattern(4096, 2)]);
  const path = makeParallels(t, fields, [2, 1, 0, 0], data);
  const whole = Buffer.concat([pattern(4096, 2), pattern(4096, 1), Buffer.alloc(8192)]);
  sameBytes(t, await readImage(path), whole);
  t.like(describeImage(path, AUTO), {
    format: 'parallels',
    features: { clusterSize: 4096, extended: true, inUse: false },
    problems: [],
  });
});

test('what cannot be right or is not known is refused, an image in use is told', (t) => {
  const told = (fields: Fields): string => {
    return (
      describeImage(makeParallels(t, fields, [], Buffer.alloc(0)), AUTO).problems[0] ?? 'taken'
    );
  };
  t.is(told({}), 'taken');
  t.is(told({ inUse: 0x746f6e59 }), 'it was not closed; some clusters may be in no use');
  t.is(told({ version: 3 }), 'Parallels version 3; only version 2 is');
  for (const tracks of [0, 0xffffffff])
    t.regex(told({ tracks }), /^blocks of .* are not supported/);
  t.is(told({ entries: 3 }), 'its table of 3 blocks is too small');
  const signature = 'WithouFreSpacExt';
  t.regex(told({ signature, sectors: 2n ** 64n - 1n }), /above 2\^53/);
});
