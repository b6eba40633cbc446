import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { cpuTime } from '../../helpers/cpu-time.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';
import {
  BLOCK,
  type Change,
  type EntryFields,
  entryOf,
  headerOf,
  itemsOf,
  LOG_ID,
  logEntryOf,
  MIB,
  makeVhdx,
  metadataOf,
} from './make-vhdx.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };
const TABLE = 3 * MIB;

/** The first page of the table of blocks with these entries. */
function tablePage(...entries: bigint[]): Change {
  const page = Buffer.alloc(4096);
  for (const [index, entry] of entries.entries()) page.writeBigUInt64LE(entry, index * 8);
  return [TABLE, page];
}

/** Block 0 of the disk is at 4 MiB by the table in the file, and the log says something else. */
function makeLogged(
  t: ExecutionContext,
  entries: readonly (readonly [at: number, bytes: Buffer])[],
  header: Parameters<typeof headerOf>[0] = {},
): string {
  const path = join(tempFolder(t, TMPFS), 'vm.vhdx');
  const log = Buffer.alloc(MIB);
  for (const [at, bytes] of entries) {
    // The log is a ring.
    for (let i = 0; i < bytes.length; i++) log[(at + i) % MIB] = bytes[i]!;
  }
  const file = makeVhdx({
    headers: [headerOf({ logId: LOG_ID, ...header }), null],
    table: { 0: entryOf(6, 4) },
    data: [
      [MIB, log],
      [4 * MIB, pattern(BLOCK, 1)],
      [5 * MIB, pattern(BLOCK, 2)],
    ],
  });
  writeFileSync(path, file);
  return path;
}

/** Which block the first one of the disk is: 1, 2, or 0 for zeros. */
async function firstBlock(path: string): Promise<number> {
  const bytes = await readImage(path, { length: 512 });
  if (bytes.equals(pattern(BLOCK, 1).subarray(0, 512))) return 1;
  return bytes.equals(pattern(BLOCK, 2).subarray(0, 512)) ? 2 : Number(bytes[0]);
}

const TO_SECOND = tablePage(entryOf(6, 5));
const TO_NONE = tablePage(entryOf(0));

function entry(sequence: bigint, tail: number, change: Change, more: Partial<EntryFields> = {}) {
  return logEntryOf({ sequence, tail, changes: [change], ...more });
}

test('a log is replayed in memory, and the file stays as it is', async (t) => {
  const path = makeLogged(t, [[0, entry(5n, 0, tablePage(entryOf(6, 5), entryOf(6, 4)))]]);
  const before = readFileSync(path);
  const whole = Buffer.concat([pattern(BLOCK, 2), pattern(BLOCK, 1), Buffer.alloc(BLOCK)]);
  sameBytes(t, await readImage(path), whole);
  t.deepEqual(
    mapOfImage(path).map(({ data, offset }) => [data, offset]),
    [
      [true, 5 * MIB],
      [true, 4 * MIB],
      [false, null],
    ],
  );
  const { lines, problems, features } = describeImage(path, AUTO);
  t.deepEqual(lines[1], ['log', 'not written yet: 1 entries are replayed in memory']);
  t.like(features, { replayedEntries: 1 });
  t.deepEqual(problems, []);
  t.true(readFileSync(path).equals(before));
});

test('without the identity of a log in the header nothing is replayed', async (t) => {
  const path = makeLogged(t, [[0, entry(5n, 0, TO_SECOND)]], { logId: '00'.repeat(16) });
  t.is(await firstBlock(path), 1);
});

test('entries follow each other from the tail of the last one on, also over the end of the log', async (t) => {
  const end = MIB - 4096;
  // The entry at the end of the log goes on at its beginning.
  const wrapped = [
    [end, entry(8n, end, TO_NONE)],
    [4096, entry(9n, end, TO_SECOND)],
  ] as const;
  t.is(await firstBlock(makeLogged(t, wrapped)), 2);
  // The tail says that only the last one counts.
  const changes: Change[] = [[TABLE + 4096, Buffer.alloc(4096, 1)]];
  const last = [
    [0, entry(8n, 0, TO_SECOND)],
    [8192, logEntryOf({ sequence: 9n, tail: 8192, changes })],
  ] as const;
  t.is(await firstBlock(makeLogged(t, last)), 1);
  const both = [
    [0, entry(8n, 0, TO_SECOND)],
    [8192, logEntryOf({ sequence: 9n, tail: 0, changes })],
  ] as const;
  t.is(await firstBlock(makeLogged(t, both)), 2);
});

test('entries that are older, of another log, cut off or out of order do not count', async (t) => {
  const good = [0, entry(8n, 0, TO_SECOND)] as const;
  const others: Record<string, readonly [number, Buffer]> = {
    'an older sequence': [65536, entry(3n, 65536, TO_NONE)],
    'another log': [65536, entry(30n, 65536, TO_NONE, { id: 'ab'.repeat(16) })],
    'a gap in the numbers': [8192, entry(10n, 0, TO_NONE)],
    'a tail that is not there': [65536, entry(30n, 0, TO_NONE)],
    'a wrong checksum': [8192, entry(9n, 0, TO_NONE).fill(1, 5000, 5001)],
    'an entry that is not whole': [8192, entry(9n, 0, TO_NONE).subarray(0, 8000)],
  };
  for (const [title, other] of Object.entries(others)) {
    t.is(await firstBlock(makeLogged(t, [good, other])), 2, title);
  }
});

test('later entries change what earlier ones have written, zeros too', async (t) => {
  const zeros = entry(9n, 0, [TABLE - 4096, { zeros: 8192 }]);
  t.is(
    await firstBlock(
      makeLogged(t, [
        [0, entry(8n, 0, TO_SECOND)],
        [8192, zeros],
      ]),
    ),
    0,
  );
  const order = [
    [0, entry(8n, 0, [TABLE, { zeros: 4096 }])],
    [4096, entry(9n, 0, TO_SECOND)],
  ] as const;
  t.is(await firstBlock(makeLogged(t, order)), 2);
});

test('metadata that is only in the log', async (t) => {
  const metadata = metadataOf(itemsOf({ size: 2 * BLOCK }));
  const items = Buffer.alloc(4096);
  metadata.copy(items, 0, 65536);
  const path = makeLogged(t, [
    [0, logEntryOf({ sequence: 1n, tail: 0, changes: [[2 * MIB + 65536, items]] })],
  ]);
  t.is((await readImage(path)).length, 2 * BLOCK);
});

test('a lost log is told, and the tables in the file count', async (t) => {
  const path = makeLogged(t, []);
  t.is(await firstBlock(path), 1);
  t.deepEqual(describeImage(path, AUTO).problems, [
    'it was not closed, and its log has no entry with a right checksum',
  ]);
});

test('what cannot be right in a log is refused, and a log that changes data gives EIO there', async (t) => {
  const refused = (bytes: Buffer, header = {}): string => {
    return describeImage(makeLogged(t, [[0, bytes]], header), AUTO).problems[0]!;
  };
  const good = entry(1n, 0, TO_SECOND);
  t.regex(refused(good, { logBytes: 0 }), /its log does not begin and end at a MiB/);
  t.regex(refused(good, { logBytes: 4096 }), /its log does not begin and end at a MiB/);
  t.regex(refused(good, { logOffset: 0n }), /its log does not begin and end at a MiB/);
  t.regex(refused(good, { logOffset: 4096n }), /its log does not begin and end at a MiB/);
  t.regex(refused(good, { logBytes: 0xfff00000 }), /its log of 4 GiB is above 32 MiB/);
  t.regex(refused(entry(1n, 0, TO_SECOND, { flushed: 2n ** 40n })), /^it is cut off/);
  const senseless = /an entry of its log has a right checksum and makes no sense/;
  t.regex(refused(entry(1n, 0, [TABLE + 1, Buffer.alloc(4096)])), senseless);
  t.regex(refused(entry(1n, 0, [TABLE, { zeros: 4095 }])), senseless);
  t.regex(refused(entry(1n, 0, [TABLE, { zeros: 2 ** 40 }])), senseless);
  const data = makeLogged(t, [[0, entry(1n, 0, [4 * MIB + 8192, Buffer.alloc(4096)])]]);
  await t.throwsAsync(readImage(data), { message: /^errno 5 at/ });
});

test('entries that overlap are refused before they take long', (t) => {
  // Each claims all of the log: 256 checksums of 1 MiB each.
  const entries = Array.from({ length: 256 }, (_, index) => {
    const head = logEntryOf({ sequence: 1n, tail: 0, changes: [] }).subarray(0, 64);
    head.writeUInt32LE(MIB, 8);
    return [index * 4096, head] as const;
  });
  const path = makeLogged(t, entries);
  let problems: readonly string[] = [];
  const took = cpuTime(() => {
    problems = describeImage(path, AUTO).problems;
  });
  t.regex(problems[0]!, /entries of its log overlap/);
  t.true(took < 1000, `${took} ms`);
});
