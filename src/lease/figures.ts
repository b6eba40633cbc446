import { RATES, type RateKey } from '../throttle/limits.js';
import { NOT_SHARED, type Rates } from './rates.js';

export type SharedFigureMemory = Float64Array<SharedArrayBuffer>;

/**
 * - `starting`: the store has not answered yet
 * - `learning`: the store does not know all holders yet, and raises nobody
 * - `granted`: the rates are a grant of the store
 * - `safe`: the last grant has expired
 */
export const LEASE_STATES = ['starting', 'learning', 'granted', 'safe'] as const;
export type LeaseState = (typeof LEASE_STATES)[number];

/**
 * - `lost`: no answer, or no connection
 * - `denied`: the password or the rights
 * - `type`: the key has something else in it
 * - `version`: the script of another version
 * - `refused`: another error of the store
 */
export const FAULTS = ['none', 'lost', 'denied', 'type', 'version', 'refused'] as const;
export type Fault = (typeof FAULTS)[number];

/** How a group shares its limit, as one host sees it. */
export interface SharedFigures {
  state: LeaseState;
  /** Why the store gives no grant. */
  fault: Fault;
  granted: Rates;
  wanted: Rates;
  /** Hosts that share it, with this one; 0: not known. */
  peers: number;
  /** Since the last answer of the store; null: there was none. */
  ageMs: number | null;
  /** How long that answer took. */
  storeMs: number | null;
}

/** Places in the memory; rates of RATES from two places on. */
const [STATE, FAULT, PEERS, ANSWERED, STORE_MS, GRANTED] = [0, 1, 2, 3, 4, 5];
const WANTED = GRANTED + RATES.length;
const FIGURES = WANTED + RATES.length;

/** Milliseconds since 1970, the same in all threads. */
const nowMs = (): number => performance.timeOrigin + performance.now();

export function newSharedFigures(): SharedFigureMemory {
  const bytes = new SharedArrayBuffer(FIGURES * Float64Array.BYTES_PER_ELEMENT);
  return new Float64Array(bytes).fill(NOT_SHARED, GRANTED);
}

export function putSharedFigures(
  memory: SharedFigureMemory,
  { state, fault, granted, wanted, peers, ageMs, storeMs }: SharedFigures,
): void {
  memory[STATE] = LEASE_STATES.indexOf(state);
  memory[FAULT] = FAULTS.indexOf(fault);
  memory[PEERS] = peers;
  memory[ANSWERED] = ageMs === null ? 0 : nowMs() - ageMs;
  memory[STORE_MS] = storeMs ?? 0;
  memory.set(granted, GRANTED);
  memory.set(wanted, WANTED);
}

export function getSharedFigures(memory: SharedFigureMemory): SharedFigures {
  const answered = memory[ANSWERED]!;
  return {
    state: LEASE_STATES[memory[STATE]!]!,
    fault: FAULTS[memory[FAULT]!]!,
    granted: [...memory.subarray(GRANTED, WANTED)],
    wanted: [...memory.subarray(WANTED, FIGURES)],
    peers: memory[PEERS]!,
    ageMs: answered === 0 ? null : Math.max(0, nowMs() - answered),
    storeMs: answered === 0 ? null : memory[STORE_MS]!,
  };
}

/** How this host shares the limits of a group; rates per second, null: not limited. */
export interface SharedJson extends Omit<SharedFigures, 'granted' | 'wanted'> {
  granted: Record<RateKey, number | null>;
  wanted: Record<RateKey, number | null>;
}

function ratesJson(rates: Rates): Record<RateKey, number | null> {
  const entries = RATES.map((key, place) => [key, rates[place]! < 0 ? null : rates[place]!]);
  return Object.fromEntries(entries) as Record<RateKey, number | null>;
}

const readRates = (rates: Record<RateKey, number | null>): Rates =>
  RATES.map((key) => rates[key] ?? NOT_SHARED);

export function sharedJson({ granted, wanted, ...others }: SharedFigures): SharedJson {
  return { ...others, granted: ratesJson(granted), wanted: ratesJson(wanted) };
}

export function readShared({ granted, wanted, ...others }: SharedJson): SharedFigures {
  return { ...others, granted: readRates(granted), wanted: readRates(wanted) };
}
