import test from 'ava';
import { ReplyDecoder, type ReplySink } from '../../src/nbd/replies.js';
import fc from '../helpers/random-sequences.js';

/** Requests 1 to 9, generation 7, are under way: reads of 16 bytes at 1000. Notes what it is told. */
class Notes implements ReplySink {
  readonly lines: string[] = [];
  readonly #data = new Map<number, number[]>();

  knows(index: number, generation: number): boolean {
    return index >= 1 && index <= 9 && generation === 7;
  }

  simpleBytes(index: number): number {
    return index === 9 ? 0 : 16;
  }

  simpleOffset(): number {
    return 1000;
  }

  accepts(_index: number, offset: number, length: number): boolean {
    return offset >= 1000 && offset + length <= 1016;
  }

  data(index: number, offset: number, bytes: Uint8Array, from: number, length: number): void {
    const all = this.#data.get(index) ?? [];
    this.#data.set(index, all);
    for (let i = 0; i < length; i++) all[offset - 1000 + i] = bytes[from + i]!;
  }

  hole(index: number, offset: number, length: number): void {
    this.lines.push(`${index} hole ${offset} ${length}`);
  }

  extent(index: number, length: number, flags: number): void {
    this.lines.push(`${index} extent ${length} ${flags}`);
  }

  failed(index: number, error: number): void {
    this.lines.push(`${index} failed ${error}`);
  }

  done(index: number): void {
    const data = this.#data.get(index);
    this.#data.delete(index);
    this.lines.push(data === undefined ? `${index} done` : `${index} done ${hexOf(data)}`);
  }
}

function hexOf(bytes: Iterable<number>): string {
  return Buffer.from([...bytes].map((byte) => byte ?? 0)).toString('hex');
}

const hex = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, '0');
const simple = (index: number, error = 0, data = ''): string =>
  `67446698${hex(error, 4)}${hex(7, 4)}${hex(index, 4)}${data}`;
const chunk = (index: number, done: number, type: number, data = ''): string =>
  `668e33ef${hex(done, 2)}${hex(type, 2)}${hex(7, 4)}${hex(index, 4)}${hex(data.length / 2, 4)}${data}`;
const long = (index: number, done: number, type: number, data = ''): string =>
  `6e8a278c${hex(done, 2)}${hex(type, 2)}${hex(7, 4)}${hex(index, 4)}${hex(0, 8)}${hex(data.length / 2, 8)}${data}`;

const BYTES = '000102030405060708090a0b0c0d0e0f';
const SIMPLE = simple(1, 0, BYTES) + simple(2, 5) + simple(9);
const SIMPLE_SAYS = [`1 done ${BYTES}`, '2 failed 5', '2 done', '9 done'];

const CHUNKS =
  chunk(1, 0, 1, hex(1008, 8) + BYTES.slice(16)) +
  chunk(2, 1, 2, hex(1000, 8) + hex(16, 4)) +
  chunk(1, 1, 1, hex(1000, 8) + BYTES.slice(0, 16)) +
  chunk(3, 1, 0) +
  chunk(4, 1, 5, `00000001${hex(4096, 4)}00000000${hex(512, 4)}00000003`) +
  chunk(5, 1, 0x8001, `00000005${hex(3, 2)}626164`) +
  chunk(6, 0, 0x8002, `0000001c0000${hex(1000, 8)}`) +
  chunk(6, 1, 0) +
  chunk(7, 1, 0x8fff, '000000160000ffffff') +
  simple(8, 5);
const CHUNKS_SAY = [
  '2 hole 1000 16',
  '2 done',
  `1 done ${BYTES}`,
  '3 done',
  '4 extent 4096 0',
  '4 extent 512 3',
  '4 done',
  '5 failed 5',
  '5 done',
  '6 failed 28',
  '6 done',
  '7 failed 22',
  '7 done',
  '8 failed 5',
  '8 done',
];

const LONG =
  long(1, 1, 1, hex(1000, 8) + BYTES) +
  long(4, 1, 6, `0000000100000002${hex(2 ** 33, 8)}${hex(0, 8)}${hex(512, 8)}${hex(3, 8)}`) +
  long(5, 1, 0x8001, '000000050000');
const LONG_SAYS = [
  `1 done ${BYTES}`,
  '4 extent 8589934592 0',
  '4 extent 512 3',
  '4 done',
  '5 failed 5',
  '5 done',
];

const KINDS: [string, boolean, boolean, string, string[]][] = [
  ['simple replies', false, false, SIMPLE, SIMPLE_SAYS],
  ['chunks', true, false, CHUNKS, CHUNKS_SAY],
  ['extended chunks', true, true, LONG, LONG_SAYS],
];

for (const [what, structured, extended, bytes, says] of KINDS) {
  test(`${what} are read, whole and split at any byte`, (t) => {
    const all = Buffer.from(bytes, 'hex');
    fc.assert(
      fc.property(fc.array(fc.nat(all.length), { maxLength: 60 }), (cuts) => {
        const notes = new Notes();
        const decoder = new ReplyDecoder(structured, extended, notes);
        const ends = [...cuts, all.length].sort((a, b) => a - b);
        let from = 0;
        for (const end of ends) {
          if (decoder.decode(all, from, end) !== '') return false;
          from = end;
        }
        return JSON.stringify(notes.lines) === JSON.stringify(says);
      }),
    );
    const notes = new Notes();
    t.is(new ReplyDecoder(structured, extended, notes).decode(all, 0, all.length), '');
    t.deepEqual(notes.lines, says);
  });
}

test('data may be received without the decoder, which is told how much', (t) => {
  const notes = new Notes();
  const decoder = new ReplyDecoder(true, false, notes);
  const head = Buffer.from(chunk(1, 1, 1, hex(1000, 8) + BYTES), 'hex');
  t.is(decoder.decode(head, 0, 20 + 8 + 4), '');
  t.deepEqual([decoder.dataRest, decoder.dataIndex, decoder.dataOffset], [12, 1, 1004]);
  decoder.tookData(5);
  t.is(decoder.dataRest, 7);
  decoder.tookData(7);
  t.deepEqual([decoder.dataRest, notes.lines.length], [0, 1]);
  const next = Buffer.from(chunk(3, 1, 0), 'hex');
  t.is(decoder.decode(next, 0, next.length), '');
  t.is(notes.lines.at(-1), '3 done');
});

const HOSTILE: [string, boolean, boolean, string, RegExp][] = [
  ['a wrong magic', true, false, '00'.repeat(16), /no magic number/],
  ['a chunk where none was agreed on', false, false, chunk(1, 1, 0), /no magic number/],
  ['a simple reply to an extended request', true, true, simple(1), /no magic number/],
  ['a short chunk to an extended request', true, true, chunk(1, 1, 0), /no magic number/],
  ['a reply to another request', true, false, chunk(10, 1, 0), /nothing that was asked/],
  ['a simple reply to another request', false, false, simple(0), /nothing that was asked/],
  [
    'another generation',
    true,
    false,
    chunk(1, 1, 0).replace(hex(7, 4), hex(8, 4)),
    /nothing that was/,
  ],
  ['data in a simple reply', true, false, simple(1), /not structured/],
  ['data before the range', true, false, chunk(1, 1, 1, `${hex(999, 8)}00`), /data that was not/],
  ['data behind the range', true, false, chunk(1, 1, 1, `${hex(1016, 8)}00`), /data that was not/],
  ['data far away', true, false, chunk(1, 1, 1, `${'ff'.repeat(8)}00`), /data that was not/],
  ['a hole outside', true, false, chunk(1, 1, 2, hex(1000, 8) + hex(17, 4)), /a hole that was not/],
  ['no data', true, false, chunk(1, 1, 1, hex(1000, 8)), /type 1 with 8 bytes/],
  ['an end that is none', true, false, chunk(1, 0, 0), /type 0 with 0 bytes/],
  ['an end with bytes', true, false, chunk(1, 1, 0, '00'), /type 0 with 1 bytes/],
  ['an unknown chunk', true, false, chunk(1, 1, 3), /type 3 with 0 bytes/],
  ['a short hole', true, false, chunk(1, 1, 2, '00'), /type 2 with 1 bytes/],
  ['half a status', true, false, chunk(1, 1, 5, '00'.repeat(11)), /type 5 with 11 bytes/],
  ['a status of nothing', true, false, chunk(1, 1, 5, '00'.repeat(12)), /status of no bytes/],
  ['a short error', true, false, chunk(1, 1, 0x8001, '00'), /type 32769 with 1 bytes/],
  [
    'a long error',
    true,
    false,
    `668e33ef00018001${hex(7, 4)}${hex(1, 4)}ffffffff`,
    /4294967295 bytes/,
  ],
  ['a long status', true, false, `668e33ef00010005${hex(7, 4)}${hex(1, 4)}f000000c`, /type 5 with/],
  [
    '2^32 bytes',
    true,
    true,
    `6e8a278c00010001${hex(7, 4)}${hex(1, 4)}${hex(0, 8)}${hex(2 ** 32 + 9, 8)}`,
    /4294967305 bytes/,
  ],
];

for (const [what, structured, extended, bytes, says] of HOSTILE) {
  test(`${what} breaks the protocol`, (t) => {
    const all = Buffer.from(bytes, 'hex');
    const decoder = new ReplyDecoder(structured, extended, new Notes());
    t.regex(decoder.decode(all, 0, all.length), says);
  });
}

test('an error of number 0 is an error', (t) => {
  const notes = new Notes();
  const all = Buffer.from(chunk(1, 1, 0x8001, '000000000000'), 'hex');
  t.is(new ReplyDecoder(true, false, notes).decode(all, 0, all.length), '');
  t.deepEqual(notes.lines, ['1 failed 32768', '1 done']);
});

test('any bytes end in a problem or in nothing, and never in an endless loop', (t) => {
  const magics = [0x67446698, 0x668e33ef, 0x6e8a278c].map((magic) => hex(magic, 4));
  const piece = fc.oneof(
    fc.constantFrom(
      ...magics,
      hex(7, 4),
      hex(1, 4),
      hex(0, 4),
      hex(1000, 8),
      '0001',
      '8001',
      '0005',
    ),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  );
  fc.assert(
    fc.property(fc.array(piece), fc.boolean(), fc.boolean(), (pieces, structured, extended) => {
      const all = Buffer.from(pieces.join(''), 'hex');
      const decoder = new ReplyDecoder(structured || extended, extended, new Notes());
      return typeof decoder.decode(all, 0, all.length) === 'string';
    }),
  );
  t.pass();
});
