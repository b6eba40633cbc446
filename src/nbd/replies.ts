import * as nbd from './protocol.js';

/**
 * Takes what a decoder finds. A request is known by its cookie: index and generation. After `knows` has
 * said yes, the other calls are about that request, up to its `done`.
 */
export interface ReplySink {
  /** Is this request under way? */
  knows(index: number, generation: number): boolean;
  /** Bytes of data that a simple reply without an error has, and where in the export they begin. */
  simpleBytes(index: number): number;
  simpleOffset(index: number): number;
  /** May data or a hole be there? False if it is not asked for. @param offset In the export. */
  accepts(index: number, offset: number, length: number): boolean;
  /** Bytes `from` to `from + length` of `bytes` belong to the export's bytes from `offset`. */
  data(index: number, offset: number, bytes: Uint8Array, from: number, length: number): void;
  /** Zeros. */
  hole(index: number, offset: number, length: number): void;
  /** The next range of block status. @param flags `STATE_ZERO` and others. */
  extent(index: number, length: number, flags: number): void;
  /** The server's error, a number of the protocol. */
  failed(index: number, error: number): void;
  /** The reply is whole. */
  done(index: number): void;
}

/** What the next bytes are. */
const HEADER = 0;
const CHUNK_HEADER = 1;
const DATA_OFFSET = 2;
const DATA = 3;
const HOLE = 4;
const ERROR = 5;
const SKIPPED = 6;
const STATUS_CONTEXT = 7;
const EXTENT = 8;
const EXTENT_EXT = 9;

/** Bytes of each stage that has a fixed number. */
const FIXED = [nbd.SIMPLE_REPLY_BYTES, 0, 8, 0, 12, 6, 0, 4, 8, 16];
const FIXED_MAX = 32;

/** A message of an error has at most 4096 bytes, and an offset behind it 8. */
const ERROR_BYTES_MAX = 6 + 4096 + 8;
/** A million ranges of block status in one reply. */
const STATUS_BYTES_MAX = 1 << 24;

/** Reads replies as they come, split at any byte. Nothing is allocated for a reply. */
export class ReplyDecoder {
  readonly #sink: ReplySink;
  readonly #structured: boolean;
  readonly #extended: boolean;
  readonly #fixed = new Uint8Array(FIXED_MAX);
  readonly #view = new DataView(this.#fixed.buffer);
  #stage = HEADER;
  /** Bytes of `#fixed` that are there, and that are wanted. */
  #have = 0;
  #need = nbd.SIMPLE_REPLY_BYTES;
  /** Bytes of the chunk, or of the simple reply's data, that have not come yet. */
  #rest = 0;
  #index = 0;
  #isLast = true;
  #offset = 0;

  constructor(structured: boolean, extended: boolean, sink: ReplySink) {
    this.#structured = structured;
    this.#extended = extended;
    this.#sink = sink;
  }

  /** Bytes of data that come next and belong together; 0 in any other stage. */
  get dataRest(): number {
    return this.#stage === DATA ? this.#rest : 0;
  }

  /** The request that these bytes are for, and where in the export they begin. */
  get dataIndex(): number {
    return this.#index;
  }

  get dataOffset(): number {
    return this.#offset;
  }

  /** The number of payload bytes that were received elsewhere, without `decode` and `ReplySink.data`. */
  tookData(length: number): void {
    this.#offset += length;
    this.#rest -= length;
    if (this.#rest === 0) this.#endChunk();
  }

  /**
   * Takes bytes `from` to `end`, all of them.
   * @returns What breaks the protocol, as words; then nothing more can be read. '' for nothing.
   */
  decode(bytes: Uint8Array, from: number, end: number): string {
    for (let at = from; at < end; ) {
      if (this.#need === 0) {
        const length = Math.min(this.#rest, end - at);
        const isData = this.#stage === DATA;
        if (isData) this.#sink.data(this.#index, this.#offset, bytes, at, length);
        at += length;
        this.tookData(length);
        continue;
      }
      while (this.#have < this.#need && at < end) this.#fixed[this.#have++] = bytes[at++]!;
      if (this.#have < this.#need) return '';
      const problem = this.#fixedPart();
      if (problem !== '') return problem;
    }
    return '';
  }

  #enter(stage: number): void {
    this.#stage = stage;
    this.#need = FIXED[stage]!;
    this.#have = 0;
  }

  #fixedPart(): string {
    switch (this.#stage) {
      case HEADER:
        return this.#header();
      case CHUNK_HEADER:
        return this.#chunkHeader();
      case DATA_OFFSET:
        return this.#dataOffset();
      case HOLE:
        return this.#hole();
      case ERROR:
        return this.#error();
      case STATUS_CONTEXT:
        this.#rest -= this.#need;
        this.#enter(this.#need === FIXED[STATUS_CONTEXT] ? EXTENT : EXTENT_EXT);
        return '';
      default:
        return this.#extent();
    }
  }

  #header(): string {
    const magic = this.#view.getUint32(0);
    const wanted = this.#extended ? nbd.EXTENDED_CHUNK_MAGIC : nbd.CHUNK_MAGIC;
    if (this.#structured && magic === wanted) {
      this.#stage = CHUNK_HEADER;
      this.#need = this.#extended ? nbd.EXTENDED_CHUNK_BYTES : nbd.CHUNK_BYTES;
      return '';
    }
    if (magic !== nbd.SIMPLE_REPLY_MAGIC || this.#extended)
      return 'a reply that begins with no magic number';
    const error = this.#view.getUint32(4);
    if (!this.#isKnown()) return 'a reply to nothing that was asked';
    this.#isLast = true;
    if (error !== 0) this.#sink.failed(this.#index, error);
    this.#rest = error === 0 ? this.#sink.simpleBytes(this.#index) : 0;
    if (this.#rest > 0 && this.#structured) return 'data in a reply that is not structured';
    this.#offset = this.#sink.simpleOffset(this.#index);
    if (this.#rest > 0) this.#enter(DATA);
    else this.#endChunk();
    return '';
  }

  /** The cookie has the same place in both headers. */
  #isKnown(): boolean {
    this.#index = this.#view.getUint32(12);
    return this.#sink.knows(this.#index, this.#view.getUint32(8));
  }

  #chunkHeader(): string {
    const view = this.#view;
    this.#isLast = (view.getUint16(4) & nbd.CHUNK_FLAG_DONE) !== 0;
    const type = view.getUint16(6);
    if (!this.#isKnown()) return 'a reply to nothing that was asked';
    const high = this.#extended ? view.getUint32(24) : 0;
    this.#rest = view.getUint32(this.#extended ? 28 : 16);
    const { need, stage } = stageOf(type);
    const isWhole = isLengthOf(type, this.#rest) && high === 0;
    if (stage < 0 || !isWhole || (type === nbd.CHUNK_NONE && !this.#isLast)) {
      return `a chunk of type ${type} with ${high * 2 ** 32 + this.#rest} bytes`;
    }
    if (this.#rest === 0) {
      this.#endChunk();
      return '';
    }
    this.#enter(stage);
    this.#need = need;
    return '';
  }

  #dataOffset(): string {
    this.#offset = this.#number(0);
    this.#rest -= this.#need;
    if (!this.#sink.accepts(this.#index, this.#offset, this.#rest))
      return 'data that was not asked for';
    this.#enter(DATA);
    return '';
  }

  #hole(): string {
    const [offset, length] = [this.#number(0), this.#view.getUint32(8)];
    if (!this.#sink.accepts(this.#index, offset, length)) return 'a hole that was not asked for';
    this.#sink.hole(this.#index, offset, length);
    this.#endChunk();
    return '';
  }

  #error(): string {
    const error = this.#view.getUint32(0);
    this.#sink.failed(this.#index, error === 0 ? nbd.CHUNK_ERROR : error);
    this.#rest -= this.#need;
    if (this.#rest > 0) this.#enter(SKIPPED);
    else this.#endChunk();
    return '';
  }

  #extent(): string {
    const isLong = this.#stage === EXTENT_EXT;
    const length = isLong ? this.#number(0) : this.#view.getUint32(0);
    // The bits that are known are in the low half of the long flags.
    const flags = this.#view.getUint32(isLong ? 12 : 4);
    if (length === 0) return 'block status of no bytes';
    this.#sink.extent(this.#index, length, flags);
    this.#rest -= this.#need;
    this.#have = 0;
    if (this.#rest === 0) this.#endChunk();
    return '';
  }

  /** 64 bits; what is above 2^53 is no place in an export, and is rounded. */
  #number(at: number): number {
    return this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
  }

  #endChunk(): void {
    this.#enter(HEADER);
    if (this.#isLast) this.#sink.done(this.#index);
  }
}

const NO_STAGE = { stage: -1, need: 0 };
const STAGES = new Map([
  [nbd.CHUNK_NONE, { stage: SKIPPED, need: 0 }],
  [nbd.CHUNK_DATA, { stage: DATA_OFFSET, need: 8 }],
  [nbd.CHUNK_HOLE, { stage: HOLE, need: 12 }],
  [nbd.CHUNK_STATUS, { stage: STATUS_CONTEXT, need: 4 }],
  // The number of its ranges follows the context.
  [nbd.CHUNK_STATUS_EXT, { stage: STATUS_CONTEXT, need: 8 }],
]);
const ERROR_STAGE = { stage: ERROR, need: 6 };

function stageOf(type: number): { stage: number; need: number } {
  return type >= nbd.CHUNK_ERROR ? ERROR_STAGE : (STAGES.get(type) ?? NO_STAGE);
}

function isLengthOf(type: number, length: number): boolean {
  if (type >= nbd.CHUNK_ERROR) {
    return length >= (type === nbd.CHUNK_ERROR_OFFSET ? 14 : 6) && length <= ERROR_BYTES_MAX;
  }
  switch (type) {
    case nbd.CHUNK_NONE:
      return length === 0;
    case nbd.CHUNK_DATA:
      return length > 8;
    case nbd.CHUNK_HOLE:
      return length === 12;
    case nbd.CHUNK_STATUS:
      return length >= 12 && (length - 4) % 8 === 0 && length <= STATUS_BYTES_MAX;
    default:
      return length >= 24 && (length - 8) % 16 === 0 && length <= STATUS_BYTES_MAX;
  }
}
