import { BUCKETS, percentiles } from './latency-buckets.js';
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

/** Those of p50 to p999. */
const PARTS = [0.5, 0.9, 0.99, 0.999] as const;
const NO_TIMES: StageTimes = { mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };

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
class StageSum {
  us = 0;
  maxUs = 0;
  readonly counts = new Float64Array(BLOCKS * BLOCK);
  /** Blocks that may have counts, as bits: a series uses few of them. */
  used = 0;

  clear(): void {
    this.us = 0;
    this.maxUs = 0;
    for (let block = 0; block < BLOCKS; block++) {
      if ((this.used >> block) & 1) this.counts.fill(0, block * BLOCK, (block + 1) * BLOCK);
    }
    this.used = 0;
  }

  add({ us, maxUs, counts, used }: StageSum): void {
    this.us += us;
    this.maxUs = Math.max(this.maxUs, maxUs);
    for (let block = 0; block < BLOCKS; block++) {
      if (((used >> block) & 1) === 0) continue;
      const end = (block + 1) * BLOCK;
      for (let bucket = block * BLOCK; bucket < end; bucket++)
        this.counts[bucket] += counts[bucket];
    }
    this.used |= used;
  }

  get requests(): number {
    let sum = 0;
    for (let block = 0; block < BLOCKS; block++) {
      if (((this.used >> block) & 1) === 0) continue;
      const end = (block + 1) * BLOCK;
      for (let bucket = block * BLOCK; bucket < end; bucket++) sum += this.counts[bucket]!;
    }
    return sum;
  }
}

/** Sums over several series: what has completed in a span of time. */
export class SpanSum {
  bytes = 0;
  /** The wait times are those of requests that did wait. */
  readonly stages: readonly StageSum[] = [new StageSum(), new StageSum()];

  clear(): void {
    this.bytes = 0;
    for (const stage of this.stages) stage.clear();
  }

  add({ bytes, stages }: SpanSum): void {
    this.bytes += bytes;
    this.stages[WAIT]!.add(stages[WAIT]!);
    this.stages[SERVICE]!.add(stages[SERVICE]!);
  }

  get requests(): number {
    return this.stages[SERVICE]!.requests;
  }

  /** Requests by the bucket of their time. */
  countsOf(stage: number): Float64Array {
    const counts = this.stages[stage]!.counts.slice(0, BUCKETS);
    if (stage === WAIT) counts[0]! += Math.max(0, this.requests - this.stages[WAIT]!.requests);
    return counts;
  }

  times(): SpanTimes {
    const { requests, bytes } = this;
    const stage = (one: number): StageTimes =>
      requests === 0 ? { ...NO_TIMES } : this.#timesOf(one, requests);
    return { requests, bytes, wait: stage(WAIT), service: stage(SERVICE) };
  }

  #timesOf(stage: number, requests: number): StageTimes {
    const { us, maxUs: max, counts } = this.stages[stage]!;
    const [p50, p90, p99, p999] = percentiles(PARTS, counts, requests).map((one) =>
      Math.min(max, one),
    ) as [number, number, number, number];
    return { mean: us / requests, p50, p90, p99, p999, max };
  }
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
    const head = wordOf(series);
    // Most of thousands of groups have had nothing of late.
    if (rowsOf(span, page.words[head + SECOND]!, second).length === 0) return;
    const version = head + VERSION;
    for (let tries = 1; ; tries++) {
      const before = Atomics.load(page.words, version);
      this.#found.clear();
      this.#read(page, head, span, second, this.#found);
      const isWhole = before % 2 === 0 && Atomics.load(page.words, version) === before;
      if (isWhole || tries === TRIES) break;
      if (tries >= QUICK_TRIES) Atomics.wait(NOBODY, 0, 0, YIELD_MS);
    }
    sum.add(this.#found);
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
          const unit = words[places + block]!;
          if (unit === 0) continue;
          into.used |= 1 << block;
          this.#readBlock(unit, row, into.counts, block * BLOCK);
        }
      }
    }
  }

  #readBlock(unit: number, row: number, counts: Float64Array, at: number): void {
    const page = this.#pages[pageOf(unit)];
    // The reader hears of a page a little later than the writer uses it.
    if (page === undefined) return;
    const start = wordOf(unit);
    const from = row === TOTAL ? page.doubles : page.words;
    const first = row === TOTAL ? start >> 1 : start + COUNTS + row * BLOCK;
    for (let bucket = 0; bucket < BLOCK; bucket++) counts[at + bucket] += from[first + bucket]!;
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
