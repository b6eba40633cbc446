import { constants, fstatSync } from 'node:fs';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import { Difference } from './difference.js';
import { Journal } from './journal.js';
import {
  allocateMemory,
  type Calls,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  type Memory,
  O_DIRECT,
} from './libc.js';
import { Model } from './model.js';
import type { ExerciseOptions } from './options.js';
import { type Lane, lanesOf, MAX_TRANSFER, type PlanRules, POOL_BYTES } from './plan.js';
import { fillRandom } from './random.js';

/** The state of one exercise. */
export interface State {
  readonly options: ExerciseOptions;
  readonly rules: PlanRules;
  readonly calls: Calls;
  readonly model: Model;
  readonly journal: Journal;
  readonly lanes: readonly Lane[];
  /** Descriptors of `lanes`. */
  readonly fds: number[];
  /** The memory for reads and writes. */
  readonly memory: Memory;
  /** The noise from which the data of writes is taken. */
  readonly pool: Buffer;
  bytesRead: number;
  bytesWritten: number;
}

/** Opens the file on all lanes. The plan leaves out operations that the file system does not support. */
export function openState(options: ExerciseOptions, calls: Calls): State {
  const lanes = lanesOf(options.directFds);
  const fds = lanes.map((lane, index) => openLane(calls, options, lane, index));
  const size = options.fixed ? fstatSync(fds[0]!).size : options.size;
  const pool = noise(options.seed);
  const can = (mode: number): boolean =>
    calls.fallocate(fds[0]!, mode | FALLOC_FL_KEEP_SIZE, 0, 4096) !== -ERRNO.EOPNOTSUPP;
  return {
    options,
    rules: {
      seed: options.seed,
      lanes,
      growable: options.growable,
      fixed: options.fixed,
      mmap: options.mmap,
      punch: can(FALLOC_FL_PUNCH_HOLE),
      zeroRange: can(FALLOC_FL_ZERO_RANGE),
      directAlign: options.directAlign,
    },
    calls,
    model: new Model(size),
    journal: new Journal(),
    lanes,
    fds,
    memory: allocateMemory(MAX_TRANSFER + 8192),
    pool,
    bytesRead: 0,
    bytesWritten: 0,
  };
}

/** The noise of the last seed: making it takes as long as a hundred operations. */
let lastNoise = { seed: -1, bytes: Buffer.alloc(0) };

function noise(seed: number): Buffer {
  if (lastNoise.seed !== seed) {
    lastNoise = { seed, bytes: Buffer.alloc(POOL_BYTES) };
    fillRandom(lastNoise.bytes, seed);
  }
  return lastNoise.bytes;
}

/** Opens a descriptor; throws with the reason if that fails. */
export function openLane(
  calls: Calls,
  { path: first, second }: ExerciseOptions,
  lane: Lane,
  index: number,
): number {
  const path = index % 2 === 0 ? first : (second ?? first);
  const access = lane.writable ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY;
  const flags = access | (lane.direct ? O_DIRECT : 0);
  const fd = calls.open(path, flags, 0o644);
  if (fd >= 0) return fd;
  const advice = lane.direct && errnoName(fd) === 'EINVAL' ? '; try --no-direct-fds' : '';
  throw new Error(`${path}: open ${lane.label}: ${errnoName(fd)}${advice}`);
}

export function closeState(state: State): void {
  for (const fd of state.fds) state.calls.close(fd);
  state.fds.length = 0;
}

/** Throws a Difference unless a call returned the expected result; negative numbers are errnos. */
export function demand(
  what: string,
  operation: number,
  got: number,
  expected: number,
  from: number,
  to: number,
): void {
  if (got === expected) return;
  const name = (value: number): string => (value < 0 ? errnoName(value) : String(value));
  throw new Difference(
    `${what} returned ${name(got)}, expected ${name(expected)}`,
    operation,
    from,
    to,
  );
}
