/** Share of time in percent over the last 10, 60 and 300 s, and the total in microseconds. */
export interface PressureFigures {
  avg10: number;
  avg60: number;
  avg300: number;
  totalUs: number;
}

/** A group's stall, as /proc/pressure/io defines it. */
export interface Pressure {
  /** Time in which at least one request of the group waited. */
  some: PressureFigures;
  /** Time in which all outstanding requests of the group waited. */
  full: PressureFigures;
}

/** States of a group. */
export const NO_STALL = 0;
export const SOME = 1;
export const FULL = 2;

/** The kernel's: averages move once in 2 s, by e^(-2/10), e^(-2/60), e^(-2/300) in 2048ths. */
const PERIOD = 2e9;
const DECAYS = [1677 / 2048, 1981 / 2048, 2034 / 2048] as const;

/** Columns of a group: time of its last change; for `some` and `full` a total, a part and averages. */
const SINCE = 0;
const KIND = 1;
const TOTAL = 0;
const PART = 1;
const AVERAGES = 2;
const COLUMNS_OF_KIND = 5;
const COLUMNS = KIND + 2 * COLUMNS_OF_KIND;

/** The memory of pressures, which other threads read at any time without a lock. */
export interface PressureRows {
  columns: Float64Array<SharedArrayBuffer>;
  states: Uint8Array<SharedArrayBuffer>;
}

/**
 * For how long requests of a group have waited up to `nowNs`, in seconds. A reader in another thread may
 * miss a change of this moment; then it is a little wrong once.
 */
export function stallSeconds(
  { columns, states }: PressureRows,
  group: number,
  nowNs: number,
): { some: number; full: number } {
  const at = group * COLUMNS;
  const open = Math.max(0, nowNs - columns[at + SINCE]);
  const total = (kind: number, stalled: boolean): number =>
    (columns[at + KIND + kind * COLUMNS_OF_KIND + TOTAL] + (stalled ? open : 0)) / 1e9;
  return { some: total(0, states[group] >= SOME), full: total(1, states[group] === FULL) };
}

/**
 * The figures of a group up to `nowNs`, for a reader in another thread: as `stallSeconds`, a little wrong once
 * if the group changes at this moment.
 */
export function pressureOf(rows: PressureRows, group: number, nowNs: number): Pressure {
  const columns = rows.columns.slice(group * COLUMNS, (group + 1) * COLUMNS);
  catchUp(columns, 0, rows.states[group], nowNs);
  return figuresOf(columns, 0);
}

const newColumns = (length: number) =>
  new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));

/**
 * Stall times of groups, computed as the kernel's PSI does. No timer is needed: between two changes the
 * state of a group is known, so the periods that have ended are added when the group is read.
 */
export class PressureTable {
  #columns = newColumns(0);
  #states = new Uint8Array(new SharedArrayBuffer(0));
  readonly #tell: (rows: PressureRows) => void;

  /** @param tell Called with the memory when it has grown, for readers in other threads. */
  constructor(tell: (rows: PressureRows) => void = () => {}) {
    this.#tell = tell;
  }

  /** Makes room; never shrinks. */
  grow(groups: number): void {
    if (groups <= this.#states.length) return;
    const columns = newColumns(groups * COLUMNS);
    const states = new Uint8Array(new SharedArrayBuffer(groups));
    columns.set(this.#columns);
    states.set(this.#states);
    this.#columns = columns;
    this.#states = states;
    this.#tell({ columns, states });
  }

  /** Uses a number for a new group, at `now` in ns. */
  reset(group: number, now: number): void {
    this.#columns.fill(0, group * COLUMNS, (group + 1) * COLUMNS);
    this.#columns[group * COLUMNS + SINCE] = now;
    this.#states[group] = NO_STALL;
  }

  /** NO_STALL, SOME or FULL. */
  stateOf(group: number): number {
    return this.#states[group];
  }

  /** The state of the group is `state` from `now` on, in ns. */
  change(group: number, state: number, now: number): void {
    catchUp(this.#columns, group * COLUMNS, this.#states[group], now);
    this.#states[group] = state;
  }

  /** The figures of a group up to `now`, in ns. */
  of(group: number, now: number): Pressure {
    catchUp(this.#columns, group * COLUMNS, this.#states[group], now);
    return figuresOf(this.#columns, group * COLUMNS);
  }
}

/** Brings a group up to `now`, ns; its row begins at `base`. */
function catchUp(columns: Float64Array, base: number, state: number, now: number): void {
  const since = columns[base + SINCE];
  if (now <= since) return;
  addTime(columns, base + KIND, state >= SOME, since, now);
  addTime(columns, base + KIND + COLUMNS_OF_KIND, state === FULL, since, now);
  columns[base + SINCE] = now;
}

/** Adds the time from `since` to `now`, stalled or not. Periods end at multiples of 2 s. */
function addTime(
  columns: Float64Array,
  at: number,
  stalled: boolean,
  since: number,
  now: number,
): void {
  if (stalled) columns[at + TOTAL] += now - since;
  const first = Math.floor(since / PERIOD);
  const last = Math.floor(now / PERIOD);
  if (first === last) {
    if (stalled) columns[at + PART] += now - since;
    return;
  }
  const part = columns[at + PART] + (stalled ? (first + 1) * PERIOD - since : 0);
  const rest = stalled ? 100 : 0;
  for (let i = 0; i < DECAYS.length; i++) {
    const decay = DECAYS[i];
    const average = columns[at + AVERAGES + i];
    const ended = average * decay + (part / PERIOD) * 100 * (1 - decay);
    // All periods between the first and the last were alike.
    columns[at + AVERAGES + i] = rest + (ended - rest) * decay ** (last - first - 1);
  }
  columns[at + PART] = stalled ? now - last * PERIOD : 0;
}

/** The figures of the group whose row begins at `base`. */
function figuresOf(columns: Float64Array, base: number): Pressure {
  const ofKind = (kind: number): PressureFigures => {
    const at = base + KIND + kind * COLUMNS_OF_KIND;
    const average = (i: number): number => Math.round(columns[at + AVERAGES + i] * 100) / 100;
    return {
      avg10: average(0),
      avg60: average(1),
      avg300: average(2),
      totalUs: Math.floor(columns[at + TOTAL] / 1000),
    };
  };
  return { some: ofKind(0), full: ofKind(1) };
}
