import { assert } from '../util/assert.js';
import { bucketOf, LONGEST_US } from './latency-buckets.js';
import {
  BLOCK,
  BLOCK_SHIFT,
  BLOCKS,
  BYTE_SUM,
  COUNTS,
  type LatencyPage,
  MAXIMA,
  PLACES,
  pageOf,
  pageViews,
  ROW_DOUBLES,
  rowWord,
  SECOND,
  SERVICE,
  STAGES,
  secondOf,
  TENS_COUNT,
  TIME_SUMS,
  TOTAL,
  tenOf,
  tenRow,
  UNIT,
  UNITS,
  VERSION,
  WAIT,
  wordOf,
} from './latency-memory.js';

/** Whole microseconds of a time in ns. */
const toUs = (ns: number): number => Math.min(LONGEST_US, ns * 1e-3) | 0;

/**
 * Counts how long requests took: waiting in groups, and below the groups. The cost of a request is the
 * same whatever was counted before, and nothing is allocated but a block of buckets now and then; see
 * latency-memory.ts.
 *
 * Times count into the row of their second, and nowhere else. The first time of another second adds that
 * row to the rows of its ten seconds and of all time. So nobody has to be woken when a second ends: a
 * reader knows which second it is, and leaves out what is too old.
 */
export class Latencies {
  readonly pages: LatencyPage[] = [];
  readonly #free: number[] = [];
  /** Units from here on have never been used. Unit 0 stands for none. */
  #unused = 1;
  /** Version of the last series that was made. */
  #versions = 0;
  /** The time of the last request, and its second. */
  #nowNs = Number.NEGATIVE_INFINITY;
  #second = 0;
  readonly #tell: (page: SharedArrayBuffer) => void;

  /** @param tell Called with each new page, for readers in other threads. */
  constructor(tell: (page: SharedArrayBuffer) => void = () => {}) {
    this.#tell = tell;
  }

  /** A new series, without requests. */
  make(nowNs: number): number {
    const series = this.#take();
    const { words } = this.pages[pageOf(series)]!;
    const head = wordOf(series);
    words[head + SECOND] = secondOf(nowNs);
    // A reader of the series that had this unit before sees that it is another one.
    this.#versions += 2;
    Atomics.store(words, head + VERSION, this.#versions);
    return series;
  }

  /** Counts a request that has completed. `nowNs` is not smaller than in the call before. */
  add(series: number, bytes: number, waitNs: number, serviceNs: number, nowNs: number): void {
    // The requests of a turn complete at the same time.
    if (nowNs !== this.#nowNs) {
      this.#nowNs = nowNs;
      this.#second = secondOf(nowNs) | 0;
    }
    const second = this.#second;
    const { words, doubles } = this.pages[pageOf(series)]!;
    const head = wordOf(series);
    if ((words[head + SECOND] | 0) !== second) this.#roll(series, second);
    const row = second & 1;
    const word = head + rowWord(row);
    doubles[(word >> 1) + BYTE_SUM] += bytes;
    this.#count(words, doubles, head, word, row, SERVICE, toUs(serviceNs));
    const waitUs = toUs(waitNs);
    if (waitUs > 0) this.#count(words, doubles, head, word, row, WAIT, waitUs);
  }

  #count(
    words: Uint32Array,
    doubles: Float64Array,
    head: number,
    word: number,
    row: number,
    stage: number,
    us: number,
  ): void {
    doubles[(word >> 1) + TIME_SUMS + stage] += us;
    if (us > words[word + MAXIMA + stage]) words[word + MAXIMA + stage] = us;
    const bucket = bucketOf(us);
    const at = head + PLACES + stage * BLOCKS + (bucket >> BLOCK_SHIFT);
    let block = words[at];
    if (block === 0) {
      block = this.#take();
      words[at] = block;
    }
    const counts = wordOf(block) + COUNTS + (row << BLOCK_SHIFT);
    this.pages[pageOf(block)]!.words[counts + (bucket & (BLOCK - 1))]++;
  }

  /**
   * Adds all that the series `from` has counted to `to`, and drops `from`. 0 stands for an empty series.
   * @returns The series with all; 0 if there is none.
   */
  merge(to: number, from: number): number {
    if (to === 0 || from === 0) return to + from;
    const [target, source] = [this.pages[pageOf(to)]!, this.pages[pageOf(from)]!];
    const [head, other] = [wordOf(to), wordOf(from)];
    const second = Math.max(target.words[head + SECOND], source.words[other + SECOND]);
    this.#roll(to, second);
    this.#roll(from, second);
    Atomics.add(target.words, head + VERSION, 1);
    for (let row = 0; row <= TOTAL; row++) {
      addRow(target, head + rowWord(row), source, other + rowWord(row));
    }
    for (let at = PLACES; at < PLACES + STAGES * BLOCKS; at++) {
      const block = source.words[other + at];
      if (target.words[head + at] === 0) target.words[head + at] = block;
      else if (block !== 0) this.#mergeBlock(target.words[head + at], block);
    }
    Atomics.add(target.words, head + VERSION, 1);
    this.#drop(from);
    return to;
  }

  #mergeBlock(to: number, from: number): void {
    const [target, source] = [this.pages[pageOf(to)]!, this.pages[pageOf(from)]!];
    const [at, other] = [wordOf(to), wordOf(from)];
    addAll(target.doubles, at >> 1, source.doubles, other >> 1, COUNTS / 2);
    addAll(target.words, at + COUNTS, source.words, other + COUNTS, UNIT - COUNTS);
    this.#drop(from);
  }

  /** Makes room for the requests of another second. */
  #roll(series: number, second: number): void {
    const page = this.pages[pageOf(series)]!;
    const { words } = page;
    const head = wordOf(series);
    const before = words[head + SECOND];
    assert(second >= before, 'time does not go back');
    if (second === before) return;
    const row = before & 1;
    const ten = tenRow(tenOf(before));
    const old = oldRows(before, second);
    Atomics.add(words, head + VERSION, 1);
    addRow(page, head + rowWord(ten), page, head + rowWord(row));
    addRow(page, head + rowWord(TOTAL), page, head + rowWord(row));
    for (let one = 0; one < TOTAL; one++) {
      const at = head + rowWord(one);
      if ((old >> one) & 1) words.fill(0, at, at + MAXIMA + STAGES);
    }
    for (let at = head + PLACES; at < head + PLACES + STAGES * BLOCKS; at++) {
      if (words[at] !== 0) this.#rollBlock(words[at], row, ten, old);
    }
    words[head + SECOND] = second;
    Atomics.add(words, head + VERSION, 1);
  }

  #rollBlock(block: number, row: number, ten: number, old: number): void {
    const { words, doubles } = this.pages[pageOf(block)]!;
    const start = wordOf(block);
    const counts = start + COUNTS;
    for (let bucket = 0; bucket < BLOCK; bucket++) {
      const count = words[counts + row * BLOCK + bucket];
      words[counts + ten * BLOCK + bucket] += count;
      doubles[(start >> 1) + bucket] += count;
    }
    for (let one = 0; one < TOTAL; one++) {
      const at = counts + one * BLOCK;
      if ((old >> one) & 1) words.fill(0, at, at + BLOCK);
    }
  }

  #take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const unit = this.#unused++;
    if (pageOf(unit) === this.pages.length) {
      const memory = new SharedArrayBuffer(UNITS * UNIT * Uint32Array.BYTES_PER_ELEMENT);
      this.pages.push(pageViews(memory));
      this.#tell(memory);
    }
    return unit;
  }

  #drop(unit: number): void {
    const { words } = this.pages[pageOf(unit)]!;
    words.fill(0, wordOf(unit), wordOf(unit) + UNIT);
    this.#free.push(unit);
  }
}

function addAll(
  to: Float64Array | Uint32Array,
  at: number,
  from: Float64Array | Uint32Array,
  fromAt: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) to[at + i] += from[fromAt + i];
}

/** Adds a row of a head to another one. */
function addRow(to: LatencyPage, at: number, from: LatencyPage, fromAt: number): void {
  addAll(to.doubles, at >> 1, from.doubles, fromAt >> 1, ROW_DOUBLES);
  for (let stage = 0; stage < STAGES; stage++) {
    const most = Math.max(to.words[at + MAXIMA + stage], from.words[fromAt + MAXIMA + stage]);
    to.words[at + MAXIMA + stage] = most;
  }
}

/** The rows, as bits, that `second` uses anew: its own, that of a second that is no more the last one, and its tens. */
function oldRows(before: number, second: number): number {
  let rows = 1 << (second & 1);
  if (second !== before + 1) rows |= 1 << (before & 1);
  const [first, last] = [tenOf(before) + 1, tenOf(second)];
  for (let ten = first; ten <= last && ten < first + TENS_COUNT; ten++) rows |= 1 << tenRow(ten);
  return rows;
}
