import { grownFloat64 } from './fifo-lists.js';

/** Share of time in percent over the last 10, 60 and 300 s, and the total in microseconds. */
export interface PressureFigures {
  avg10: number;
  avg60: number;
  avg300: number;
  totalUs: number;
}

/** A group's stall, as /proc/pressure/io defines it. */
export interface Pressure {
  /** At least one request of the group waits. */
  some: PressureFigures;
  /** All outstanding requests of the group wait. */
  full: PressureFigures;
}

/** States of a group. */
export const NO_STALL = 0;
export const SOME = 1;
export const FULL = 2;

/** The kernel's: averages move once in 2 s, by e^(-2/10), e^(-2/60), e^(-2/300) in 2048ths. */
const PERIOD = 2e9;
const DECAYS = [1677 / 2048, 1981 / 2048, 2034 / 2048] as const;

/** Per group: time of the last change, total, part of this period and averages, for both kinds. */
const SINCE = 0;
const KIND = 1;
const TOTAL = 0;
const PART = 1;
const AVERAGES = 2;
const COLUMNS_OF_KIND = 5;
const COLUMNS = KIND + 2 * COLUMNS_OF_KIND;

/**
 * Stall times of groups, computed as the kernel's PSI does, but without a timer: between two changes
 * a group's state is known, so the periods that passed can be made up for when somebody asks.
 */
export class PressureTable {
  private columns = new Float64Array(0);
  private states = new Uint8Array(0);

  /** Makes room; never shrinks. Control path only. */
  grow(groups: number): void {
    this.columns = grownFloat64(this.columns, groups * COLUMNS, 0);
    if (groups <= this.states.length) return;
    const states = new Uint8Array(groups);
    states.set(this.states);
    this.states = states;
  }

  /** A number is used for a new group. */
  reset(group: number, now: number): void {
    this.columns.fill(0, group * COLUMNS, (group + 1) * COLUMNS);
    this.columns[group * COLUMNS + SINCE] = now;
    this.states[group] = NO_STALL;
  }

  stateOf(group: number): number {
    return this.states[group];
  }

  change(group: number, state: number, now: number): void {
    this.catchUp(group, now);
    this.states[group] = state;
  }

  of(group: number, now: number): Pressure {
    this.catchUp(group, now);
    return { some: this.figures(group, 0), full: this.figures(group, 1) };
  }

  private catchUp(group: number, now: number): void {
    const base = group * COLUMNS;
    const since = this.columns[base + SINCE];
    if (now <= since) return;
    const state = this.states[group];
    this.addTime(base + KIND, state >= SOME, since, now);
    this.addTime(base + KIND + COLUMNS_OF_KIND, state === FULL, since, now);
    this.columns[base + SINCE] = now;
  }

  /** From `since` to `now` there was a stall, or there was none. Periods end at multiples of 2 s. */
  private addTime(at: number, stalled: boolean, since: number, now: number): void {
    const { columns } = this;
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
      // The periods between were all alike.
      columns[at + AVERAGES + i] = rest + (ended - rest) * decay ** (last - first - 1);
    }
    columns[at + PART] = stalled ? now - last * PERIOD : 0;
  }

  private figures(group: number, kind: number): PressureFigures {
    const at = group * COLUMNS + KIND + kind * COLUMNS_OF_KIND;
    const average = (i: number): number => Math.round(this.columns[at + AVERAGES + i] * 100) / 100;
    return {
      avg10: average(0),
      avg60: average(1),
      avg300: average(2),
      totalUs: Math.floor(this.columns[at + TOTAL] / 1000),
    };
  }
}
