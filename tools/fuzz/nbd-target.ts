import {
  ConnectionBuffers,
  NbdConnection,
  type WireEvents,
} from '../../src/host/nbd-connection.js';
import { NbdRows, NO_ROW } from '../../src/host/nbd-rows.js';
import { type Agreed, greet, type Handshake, negotiate } from '../../src/nbd/handshake.js';
import * as nbd from '../../src/nbd/protocol.js';
import { SEEK_HOLE } from '../../src/sys/constants.js';
import { bytesAt, mapAnonymous } from '../../src/sys/memory.js';
import { SluiceError } from '../../src/util/errors.js';
import { type Target, Violation } from './target.js';

const LONGEST = 16 << 10;
/** The only list of rows: those under way. */
const LIST = 0;
/** Each row reads, or asks about, so many bytes of the export. Between their places there is memory of nobody. */
const ROWS = 6;
const ROW_BYTES = 4096;
const PLACE_BYTES = 2 * ROW_BYTES;
const UNTOUCHED = 0x5a;

const memory = mapAnonymous(ROWS * PLACE_BYTES);
const bytes = new Uint8Array(memory.buffer);
const buffers = new ConnectionBuffers();

/** The server says what is in the input, whatever it is asked. */
class Said {
  readonly #input: Buffer;
  #at = 0;

  constructor(input: Buffer) {
    this.#input = input;
  }

  /** Runs a part of the handshake; null if the input is not enough for it. */
  run<T>(part: Handshake<T>): T | null {
    let step = part.next(new Uint8Array(0));
    while (!step.done) {
      const { receive } = step.value;
      if (receive > LONGEST) throw new Violation(`${receive} bytes are wanted at once`);
      if (this.#at + receive > this.#input.length) return null;
      this.#at += receive;
      step = part.next(this.#input.subarray(this.#at - receive, this.#at));
    }
    return step.value;
  }

  get rest(): Buffer {
    return this.#input.subarray(this.#at);
  }
}

/** Receives replies, some bytes at a time, and looks at what they have done to the memory. */
function receive(agreed: Agreed, replies: Buffer): void {
  const rows = new NbdRows(ROWS);
  rows.lists.grow(ROWS, 1);
  const ended = new Set<number>();
  let events: WireEvents | null = null;
  let isOver = false;
  let wanted = { address: 0, length: 0 };
  const connection: NbdConnection = new NbdConnection(
    rows,
    LIST,
    agreed,
    -1,
    (_descriptor, _buffer, given) => {
      events = given;
      return {
        canPlace: true,
        send: () => {},
        receive: (address, length) => {
          wanted = { address, length };
        },
        close: () => {},
      };
    },
    {
      replied: (_connection, row) => {
        if (ended.has(row)) throw new Violation(`row ${row} has ended twice`);
        ended.add(row);
      },
      hasRoom: () => {},
      broken: () => {
        isOver = true;
        connection.close();
      },
      closed: () => {},
    },
    buffers,
  );
  bytes.fill(UNTOUCHED);
  for (let row = 0; row < ROWS; row++) {
    const isStatus = row === ROWS - 1;
    const command = isStatus ? nbd.CMD_BLOCK_STATUS : nbd.CMD_READ;
    const address = memory.address + row * PLACE_BYTES;
    rows.fill(row, command, 0, address, ROW_BYTES, row * ROW_BYTES);
    rows.piece[row] = ROW_BYTES;
    rows.whence[row] = SEEK_HOLE;
    rows.found[row] = 0;
    rows.generation[row] = 0;
    connection.queue(row);
  }
  for (let at = 0, step = 1; at < replies.length && !isOver; step = (step * 7) % 61) {
    const length = Math.min(step, wanted.length, replies.length - at);
    bytesAt(wanted.address, length).set(replies.subarray(at, at + length));
    at += length;
    events!.received(length);
  }
  for (let row = 0; row < ROWS; row++) {
    const start = row * PLACE_BYTES + ROW_BYTES;
    const outside = bytes.subarray(start, start + ROW_BYTES);
    if (outside.some((byte) => byte !== UNTOUCHED)) throw new Violation(`data behind row ${row}`);
    if (rows.got[row]! > ROW_BYTES && row < ROWS - 1) throw new Violation(`row ${row} got more`);
    const isUnderWay = rows.connection[row] !== NO_ROW;
    if (isUnderWay === ended.has(row)) throw new Violation(`row ${row} is in two states`);
  }
}

function run(input: Buffer): void {
  const said = new Said(input);
  try {
    if (said.run(greet('nbd://fuzz', false)) === null) return;
    const agreed = said.run(negotiate('nbd://fuzz', 'x'));
    if (agreed === null) return;
    if (!Number.isSafeInteger(agreed.size) || agreed.minimumBlock < 1) {
      throw new Violation(`a size of ${agreed.size} in blocks of ${agreed.minimumBlock}`);
    }
    receive(agreed, said.rest);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
}

function optionReply(option: number, type: number, data = ''): string {
  const word = (value: number): string => value.toString(16).padStart(8, '0');
  return `0003e889045565a9${word(option)}${word(type)}${word(data.length / 2)}${data}`;
}

const GREETING = `${Buffer.from(nbd.GREETING).toString('hex')}0003`;
const ACK = 1;
const CONTEXT = `00000001${Buffer.from(nbd.ALLOCATION_CONTEXT).toString('hex')}`;
const GO =
  optionReply(nbd.OPT_GO, nbd.REP_INFO, '00000000000000100000016d') +
  optionReply(nbd.OPT_GO, nbd.REP_INFO, '0003000000010000100002000000') +
  optionReply(nbd.OPT_GO, ACK);
const HOLES =
  optionReply(nbd.OPT_SET_META_CONTEXT, nbd.REP_META_CONTEXT, CONTEXT) +
  optionReply(nbd.OPT_SET_META_CONTEXT, ACK);
const NO_EXTENDED = optionReply(nbd.OPT_EXTENDED_HEADERS, nbd.REP_ERR_UNSUP);
const COOKIE = (row: number): string => `000000010000000${row}`;

/** A server without extensions, one with chunks, and one with extended ones. */
const SEEDS = [
  `${GREETING}${NO_EXTENDED}${optionReply(nbd.OPT_STRUCTURED_REPLY, nbd.REP_ERR_UNSUP)}${GO}` +
    `6744669800000000${COOKIE(0)}${'11'.repeat(ROW_BYTES)}6744669800000005${COOKIE(1)}`,
  `${GREETING}${NO_EXTENDED}${optionReply(nbd.OPT_STRUCTURED_REPLY, ACK)}${HOLES}${GO}` +
    `668e33ef00000001${COOKIE(0)}00000808${'00'.repeat(8)}${'11'.repeat(2048)}` +
    `668e33ef00010002${COOKIE(0)}0000000c000000000000080000000800` +
    `668e33ef00018001${COOKIE(1)}00000006000000050000` +
    `668e33ef00010005${COOKIE(5)}0000001400000001000008000000000000000800000000003`.slice(0, -1),
  `${GREETING}${optionReply(nbd.OPT_EXTENDED_HEADERS, ACK)}${HOLES}${GO}` +
    `6e8a278c00010001${COOKIE(2)}${'00'.repeat(8)}00000000000010080000000000002000${'11'.repeat(ROW_BYTES)}` +
    `6e8a278c00010006${COOKIE(5)}${'00'.repeat(8)}0000000000000018` +
    '00000001000000010000000000001000000000000000000003'.slice(0, 48),
];

/** What a server of NBD sends: the handshake, then replies. */
export const servers: Target = {
  name: 'servers',
  about: 'NBD servers: the handshake, and replies to what is under way',
  batch: 64,
  each: 20_000,
  short: 1500,
  longest: LONGEST,
  fixed: false,
  seeds: () => SEEDS.map((seed) => Buffer.from(seed, 'hex')),
  words: async () =>
    ['67446698', '668e33ef', '6e8a278c', '00010001', '00008001', ...[0, 1, 2, 5].map(COOKIE)].map(
      (word) => Buffer.from(word, 'hex'),
    ),
  prepare: () => run,
};
