import { BUCKETS, percentile } from './latency-buckets.js';
import {
  BLOCK,
  BLOCKS,
  BYTE_SUM,
  COUNTS,
  type LatencyPage,
  MAXIMA,
  PLACES,
  pageOf,
  rowWord,
  SECOND,
  SERVICE,
  TENS_COUNT,
  TIME_SUMS,
  TOTAL,
  tenOf,
  tenRow,
  VERSION,
  WAIT,
  wordOf,
} from './latency-memory.js';

/**
 * Spans of time: the last second that has ended, the last 50 to 60 seconds, and since the mount. Seconds
 * are those of the daemon's clock.
 */
export const SPANS = ['second', 'minute', 'mount'] as const;
export type Span = (typeof SPANS)[number];

/** Times of one stage, microseconds, known to an eighth of themselves. 0 without requests. */
export interface StageTimes {
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  /** Exact. */
  max: number;
}

/** Requests of one direction that completed in a span of time. */
export interface SpanTimes {
  requests: number;
  bytes: number;
  /** Waiting in groups. */
  wait: StageTimes;
  /** From the admission of a request to its reply. */
  service: StageTimes;
}

/** Sums of one stage over several series. */
interface StageSum {
  us: number;
  maxUs: number;
  readonly counts: Float64Array;
}

/** Sums over several series: what has completed in a span of time. */
export class SpanSum {
  bytes = 0;
  readonly stages: readonly StageSum[] = [WAIT, SERVICE].map(() => {
    return { us: 0, maxUs: 0, counts: new Float64Array(BUCKETS) };
  });

  clear(): void {
    this.bytes = 0;
    for (const stage of this.stages) {
      stage.us = 0;
      stage.maxUs = 0;
      stage.counts.fill(0);
    }
  }

  get requests(): number {
    return this.stages[SERVICE]!.counts.reduce((sum, count) => sum + count, 0);
  }

  times(): SpanTimes {
    const { requests, bytes } = this;
    const [wait, service] = this.stages.map((stage) => timesOf(stage, requests));
    return { requests, bytes, wait: wait!, service: service! };
  }
}

function timesOf({ us, maxUs, counts }: StageSum, requests: number): StageTimes {
  const at = (part: number): number => Math.min(maxUs, percentile(part, counts, requests));
  const [p50, p90, p99, p999] = [at(0.5), at(0.9), at(0.99), at(0.999)];
  return { mean: requests === 0 ? 0 : us / requests, p50, p90, p99, p999, max: maxUs };
}

/**
 * The writer adds up rows for a microsecond in a second. A reader that comes in between looks again,
 * and lets the writer's thread run if that does not help; after 20 ms it takes what is there.
 */
const QUICK_TRIES = 10;
const TRIES = QUICK_TRIES + 20;
const YIELD_MS = 1;
const NOBODY = new Int32Array(new SharedArrayBuffer(4));

/** Reads series from the memory of latencies, in any thread. */
export class LatencyReader {
  readonly #pages: LatencyPage[];
  readonly #found = new SpanSum();

  constructor(pages: LatencyPage[] = []) {
    this.#pages = pages;
  }

  take(page: LatencyPage): void {
    this.#pages.push(page);
  }

  /** Adds a series to the sum of a span. 0 stands for an empty series. */
  add(series: number, span: Span, second: number, sum: SpanSum): void {
    const page = this.#pages[pageOf(series)];
    if (series === 0 || page === undefined) return;
    const version = wordOf(series) + VERSION;
    for (let tries = 1; ; tries++) {
      const before = Atomics.load(page.words, version);
      this.#found.clear();
      this.#read(page, wordOf(series), span, second, this.#found);
      const isWhole = before % 2 === 0 && Atomics.load(page.words, version) === before;
      if (isWhole || tries === TRIES) break;
      if (tries >= QUICK_TRIES) Atomics.wait(NOBODY, 0, 0, YIELD_MS);
    }
    countOthers(this.#found);
    addSum(sum, this.#found);
  }

  #read(page: LatencyPage, head: number, span: Span, second: number, sum: SpanSum): void {
    const { words, doubles } = page;
    for (const row of rowsOf(span, words[head + SECOND]!, second)) {
      const word = head + rowWord(row);
      sum.bytes += doubles[(word >> 1) + BYTE_SUM]!;
      for (const stage of [WAIT, SERVICE]) {
        const into = sum.stages[stage]!;
        into.us += doubles[(word >> 1) + TIME_SUMS + stage]!;
        into.maxUs = Math.max(into.maxUs, words[word + MAXIMA + stage]!);
        const places = head + PLACES + stage * BLOCKS;
        for (let block = 0; block < BLOCKS; block++) {
          this.#readBlock(words[places + block]!, row, into.counts, block * BLOCK);
        }
      }
    }
  }

  #readBlock(unit: number, row: number, counts: Float64Array, at: number): void {
    const page = this.#pages[pageOf(unit)];
    if (unit === 0 || page === undefined) return;
    const start = wordOf(unit);
    const [from, first] =
      row === TOTAL ? [page.doubles, start >> 1] : [page.words, start + COUNTS + row * BLOCK];
    const buckets = Math.min(BLOCK, BUCKETS - at);
    for (let bucket = 0; bucket < buckets; bucket++) counts[at + bucket] += from[first + bucket]!;
  }
}

/** Requests that did not wait are those that are not among the wait times. */
function countOthers({ requests, stages }: SpanSum): void {
  const { counts } = stages[WAIT]!;
  counts[0]! += Math.max(0, requests - counts.reduce((sum, count) => sum + count, 0));
}

function addSum(to: SpanSum, from: SpanSum): void {
  to.bytes += from.bytes;
  for (const [stage, { us, maxUs, counts }] of from.stages.entries()) {
    const into = to.stages[stage]!;
    into.us += us;
    into.maxUs = Math.max(into.maxUs, maxUs);
    for (let bucket = 0; bucket < BUCKETS; bucket++) into.counts[bucket] += counts[bucket]!;
  }
}

/**
 * The rows of a series that make up a span.
 *
 * @param last Second of the series' last request.
 * @param second The second that it is now. A reader's clock may be a little behind.
 */
function rowsOf(span: Span, last: number, second: number): number[] {
  const ofLast = last & 1;
  const now = Math.max(second, last);
  if (span === 'mount') return [TOTAL, ofLast];
  if (span === 'second') {
    // While the second of the last request goes on, the one before it is the last that has ended.
    const isKept = now === last || now === last + 1;
    return isKept ? [(now - 1) & 1] : [];
  }
  const rows = tenOf(now) - tenOf(last) < TENS_COUNT ? [ofLast] : [];
  for (let ten = Math.max(0, tenOf(now) - TENS_COUNT + 1); ten <= tenOf(last); ten++) {
    rows.push(tenRow(ten));
  }
  return rows;
}
