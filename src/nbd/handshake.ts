import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import * as nbd from './protocol.js';

/** Bytes to send first, if any, and then how many to receive. */
export interface Exchange {
  readonly send: Uint8Array | null;
  readonly receive: number;
}

/** A part of the handshake, without a socket: yields what is to be exchanged, and is given what came. */
export type Handshake<T> = Generator<Exchange, T, Uint8Array>;

/** What a client and a server have agreed on. Plain data. */
export interface Agreed {
  /** Bytes. */
  readonly size: number;
  /** The bits of `CAN_...`. */
  readonly flags: number;
  /** Replies come in chunks. */
  readonly structured: boolean;
  /** Requests and replies have 64-bit lengths; implies `structured`. */
  readonly extended: boolean;
  /** The server tells of holes. */
  readonly tellsHoles: boolean;
  /** Offsets and lengths are multiples of this power of two, bytes. */
  readonly minimumBlock: number;
  /** Most bytes of one read or write. */
  readonly maximumPayload: number;
}

/** Longer data of an option's reply has no meaning: names and messages have at most 4096 bytes. */
const REPLY_DATA_MAX = 8192;
/** Replies to one option. A server tells a few facts. */
const REPLIES_MAX = 100;
/** If the server does not say otherwise. */
const PAYLOAD_MAX = 32 << 20;
/** The largest minimum of a block that the protocol knows. */
const BLOCK_MAX = 1 << 16;

/**
 * The greeting, and the start of TLS. Behind it the socket speaks plain NBD, or TLS.
 *
 * @param where Put before each message.
 * @throws SluiceError exit code 3 for a server that is refused
 */
export function* greet(where: string, tls: boolean): Handshake<void> {
  const greeting = yield { send: null, receive: nbd.GREETING_BYTES };
  const text = Buffer.from(greeting.subarray(0, 16)).toString('latin1');
  const flags = viewOf(greeting).getUint16(16);
  if (!text.startsWith('NBDMAGIC')) throw refused(where, 'what answers is no NBD server');
  if (text !== nbd.GREETING || (flags & nbd.FLAG_FIXED_NEWSTYLE) === 0) {
    throw refused(
      where,
      'the server speaks an older protocol than "fixed newstyle" (NBD 3.0, 2011)',
    );
  }
  const answer = new Uint8Array(4);
  viewOf(answer).setUint32(0, nbd.FLAG_FIXED_NEWSTYLE | (flags & nbd.FLAG_NO_ZEROES));
  if (!tls) {
    yield { send: answer, receive: 0 };
    return;
  }
  const start = option(nbd.OPT_STARTTLS, new Uint8Array(0));
  const reply = yield* replyTo(where, nbd.OPT_STARTTLS, Buffer.concat([answer, start]));
  if (reply.type !== nbd.REP_ACK) throw refused(where, `the server offers no TLS${said(reply)}`);
}

/**
 * Agrees on replies, block status and the export, after `greet`. Behind it requests can be sent.
 *
 * @throws SluiceError exit code 1 where there is no such export, 3 for a server that is refused
 */
export function* negotiate(where: string, exportName: string): Handshake<Agreed> {
  const extended = yield* ask(where, nbd.OPT_EXTENDED_HEADERS);
  const structured = extended || (yield* ask(where, nbd.OPT_STRUCTURED_REPLY));
  const tellsHoles = structured && (yield* askForHoles(where, exportName));
  const name = Buffer.from(exportName);
  const request = Buffer.alloc(4 + name.length + 4);
  request.writeUInt32BE(name.length, 0);
  name.copy(request, 4);
  request.writeUInt16BE(1, 4 + name.length);
  request.writeUInt16BE(nbd.INFO_BLOCK_SIZE, 6 + name.length);
  let facts: { size: number; flags: number } | null = null;
  let blocks = { minimumBlock: 1, maximumPayload: PAYLOAD_MAX };
  let send: Uint8Array | null = option(nbd.OPT_GO, request);
  for (let replies = 0; replies < REPLIES_MAX; replies++) {
    const reply: Reply = yield* replyTo(where, nbd.OPT_GO, send);
    send = null;
    if (reply.type === nbd.REP_ACK) {
      if (facts === null) throw refused(where, 'the server does not tell the size of the export');
      // A rest that is no whole block cannot be asked for.
      const size = facts.size - (facts.size % blocks.minimumBlock);
      return { ...facts, size, structured, extended, tellsHoles, ...blocks };
    }
    if (reply.type >= nbd.REP_ERROR) throw noExport(where, exportName, reply);
    if (reply.type !== nbd.REP_INFO) throw garbage(where, `a reply of type ${reply.type}`);
    const view = viewOf(reply.data);
    const kind = view.byteLength >= 2 ? view.getUint16(0) : -1;
    if (kind === nbd.INFO_EXPORT && view.byteLength === 12) {
      facts = { size: sizeOf(where, view), flags: view.getUint16(10) };
    } else if (kind === nbd.INFO_BLOCK_SIZE && view.byteLength === 14) {
      blocks = blocksOf(where, view);
    } else if (kind <= nbd.INFO_BLOCK_SIZE && kind !== 1 && kind !== 2) {
      throw garbage(where, `information of ${view.byteLength} bytes`);
    }
  }
  throw garbage(where, `more than ${REPLIES_MAX} replies to one option`);
}

function sizeOf(where: string, view: DataView): number {
  const size = view.getUint32(2) * 2 ** 32 + view.getUint32(6);
  if (Number.isSafeInteger(size)) return size;
  const what = 'larger than 2^53 bytes (8 PiB), which this version cannot address';
  throw new SluiceError(`${where}: ${what}`, 'EFBIG', EXIT_IMAGE);
}

function blocksOf(where: string, view: DataView): Pick<Agreed, 'minimumBlock' | 'maximumPayload'> {
  const [minimum, maximum] = [view.getUint32(2), view.getUint32(10)];
  const isPower = minimum > 0 && (minimum & (minimum - 1)) === 0;
  if (!isPower || minimum > BLOCK_MAX || maximum < minimum) {
    throw garbage(where, `blocks of ${minimum} to ${maximum} bytes`);
  }
  const whole = maximum - (maximum % minimum);
  return { minimumBlock: minimum, maximumPayload: Math.min(whole, PAYLOAD_MAX) };
}

/** An option without data. @returns Whether the server agrees. */
function* ask(where: string, number: number): Handshake<boolean> {
  const reply = yield* replyTo(where, number, option(number, new Uint8Array(0)));
  if (reply.type === nbd.REP_ERR_TLS_REQD) throw wantsTls(where);
  if (reply.type !== nbd.REP_ACK && reply.type < nbd.REP_ERROR) {
    throw garbage(where, `a reply of type ${reply.type}`);
  }
  return reply.type === nbd.REP_ACK;
}

function* askForHoles(where: string, exportName: string): Handshake<boolean> {
  const name = Buffer.from(exportName);
  const query = Buffer.from(nbd.ALLOCATION_CONTEXT);
  const request = Buffer.alloc(4 + name.length + 8 + query.length);
  request.writeUInt32BE(name.length, 0);
  name.copy(request, 4);
  request.writeUInt32BE(1, 4 + name.length);
  request.writeUInt32BE(query.length, 8 + name.length);
  query.copy(request, 12 + name.length);
  let send: Uint8Array | null = option(nbd.OPT_SET_META_CONTEXT, request);
  let isAgreed = false;
  for (let replies = 0; replies < REPLIES_MAX; replies++) {
    const { type, data }: Reply = yield* replyTo(where, nbd.OPT_SET_META_CONTEXT, send);
    send = null;
    if (type === nbd.REP_ACK) return isAgreed;
    // An export that does not exist is told by the option that comes next, with a better message.
    if (type >= nbd.REP_ERROR) return false;
    if (type !== nbd.REP_META_CONTEXT) throw garbage(where, `a reply of type ${type}`);
    isAgreed ||= Buffer.from(data.subarray(4)).equals(query);
  }
  throw garbage(where, `more than ${REPLIES_MAX} replies to one option`);
}

interface Reply {
  readonly type: number;
  readonly data: Uint8Array;
}

/** @param send The option; null if more replies to it are expected. */
function* replyTo(where: string, number: number, send: Uint8Array | null): Handshake<Reply> {
  const header = viewOf(yield { send, receive: nbd.OPTION_REPLY_BYTES });
  const isMagic =
    header.getUint32(0) === nbd.OPTION_REPLY_MAGIC_HIGH &&
    header.getUint32(4) === nbd.OPTION_REPLY_MAGIC_LOW;
  if (!isMagic || header.getUint32(8) !== number) throw garbage(where, 'a reply to no option');
  const length = header.getUint32(16);
  if (length > REPLY_DATA_MAX) throw garbage(where, `a reply to an option of ${length} bytes`);
  const data = length === 0 ? new Uint8Array(0) : yield { send: null, receive: length };
  return { type: header.getUint32(12), data };
}

function option(number: number, data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(nbd.OPTION_HEADER_BYTES);
  header.write('IHAVEOPT', 'latin1');
  header.writeUInt32BE(number, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const WHY: ReadonlyMap<number, string> = new Map([
  [nbd.REP_ERR_UNSUP, 'the server is older than 2017: it knows no NBD_OPT_GO'],
  [nbd.REP_ERR_POLICY, 'the server refuses this client'],
  [nbd.REP_ERR_SHUTDOWN, 'the server is shutting down'],
]);

function noExport(where: string, exportName: string, reply: Reply): SluiceError {
  if (reply.type === nbd.REP_ERR_TLS_REQD) return wantsTls(where);
  if (reply.type !== nbd.REP_ERR_UNKNOWN) {
    const why =
      WHY.get(reply.type) ?? `the server refuses with error ${reply.type - nbd.REP_ERROR}`;
    return refused(where, `${why}${said(reply)}`);
  }
  const what = `the server has no export ${JSON.stringify(exportName)}`;
  return new SluiceError(`${where}: ${what}${said(reply)}`, 'ENOENT', EXIT_FAILED);
}

/** The words of the server, as far as they are plain text. */
function said({ data }: Reply): string {
  const text = Buffer.from(data.subarray(0, 200)).toString();
  const plain = text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, ' ').trim();
  return plain === '' ? '' : ` (it says: ${plain})`;
}

function wantsTls(where: string): SluiceError {
  return refused(where, 'the server wants TLS; use nbds:// or nbds+unix://');
}

function garbage(where: string, what: string): SluiceError {
  return refused(where, `the server breaks the protocol: ${what}`);
}

function refused(where: string, why: string): SluiceError {
  return new SluiceError(`${where}: ${why}`, 'EPROTO', EXIT_IMAGE);
}
