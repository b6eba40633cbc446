import { BUCKETS } from './latency-buckets.js';

/**
 * The memory of latencies: pages of units, which the data path writes and other threads read at any time
 * without a lock (see FigureRows about what they may see).
 *
 * Who has had requests of a direction has a series: a head, and blocks of 16 buckets. A block is given
 * when a time first falls into it. The times of one disk fall into a few blocks of each stage, so a series
 * takes about 3 KB; all its blocks would take 20 KB. Requests that did not wait are not counted among the
 * wait times: they are the others.
 *
 * Head and blocks have a row for each span of time.
 */

/** Stages of a request: waiting in groups, and from its admission to its reply. */
export const WAIT = 0;
export const SERVICE = 1;
export const STAGES = 2;

/** Rows: the last even second, the last odd one, six times ten seconds, all time. */
const TENS = 2;
export const TENS_COUNT = 6;
export const TOTAL = TENS + TENS_COUNT;

export const secondOf = (ns: number): number => Math.floor(ns * 1e-9);
/** The ten seconds of a second, and their row. */
export const tenOf = (second: number): number => Math.floor(second / 10);
export const tenRow = (ten: number): number => TENS + (ten % TENS_COUNT);

/** Buckets of a block. */
export const BLOCK_SHIFT = 4;
export const BLOCK = 1 << BLOCK_SHIFT;
export const BLOCKS = Math.ceil(BUCKETS / BLOCK);

/** A head or a block, in words of 4 bytes. */
export const UNIT = BLOCK * (TOTAL + 2);
/** Units of a page: 640 KiB, resident only where it has been used. */
const PAGE_SHIFT = 10;
export const UNITS = 1 << PAGE_SHIFT;

/**
 * A row of a head, 8 words: the bytes and the microseconds of each stage as doubles, then the longest
 * times as words. What each request changes lies together: the two seconds, and the words after them.
 */
const ROW_WORDS = 8;
export const BYTE_SUM = 0;
export const TIME_SUMS = 1;
export const ROW_DOUBLES = TIME_SUMS + STAGES;
export const MAXIMA = 2 * ROW_DOUBLES;
/** The second of the last request. */
export const SECOND = TENS * ROW_WORDS;
/** Odd while rows are being added up; another number after that. */
export const VERSION = SECOND + 1;
/** The units of the blocks of each stage, 0 for one that has not been given. */
export const PLACES = VERSION + 1;
const OTHER_ROWS = PLACES + STAGES * BLOCKS;

/** First word of a row in its head. */
export const rowWord = (row: number): number =>
  row < TENS ? row * ROW_WORDS : OTHER_ROWS + (row - TENS) * ROW_WORDS;

/** Words of a block: the total of each bucket as doubles, then the counts of the other rows. */
export const COUNTS = 2 * BLOCK;

/** A page, seen as words and as doubles. */
export interface LatencyPage {
  readonly words: Uint32Array<SharedArrayBuffer>;
  readonly doubles: Float64Array<SharedArrayBuffer>;
}

export const pageViews = (memory: SharedArrayBuffer): LatencyPage => {
  return { words: new Uint32Array(memory), doubles: new Float64Array(memory) };
};

/** Page of a unit, and its first word there. */
export const pageOf = (unit: number): number => unit >>> PAGE_SHIFT;
export const wordOf = (unit: number): number => (unit & (UNITS - 1)) * UNIT;
