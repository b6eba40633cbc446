import { fstatSync, readFileSync } from 'node:fs';
import { demandEqual } from './difference.js';
import { read } from './execute.js';
import { checkHoles } from './holes.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from './libc.js';
import { MODEL_LIMIT } from './model.js';
import type { Kind, Operation } from './plan.js';
import { demand, type State } from './state.js';

/** The whole file is read or written in pieces of this size, the largest request of FUSE. */
const PIECE = 1 << 20;

/** An operation that is not in the plan. */
function extra(number: number, kind: Kind, lane: number): Operation {
  return { number, kind, offset: 0, length: 0, lane, source: 0, skew: 0, flag: false };
}

/** Brings the file to its initial state: noise in the first half, zeros in the second. */
export function writeStart(state: State): void {
  const { model, options } = state;
  if (model.size > MODEL_LIMIT) throw new Error(`${options.path}: larger than 16M`);
  if (!options.fixed) {
    demand('ftruncate', 0, state.calls.ftruncate(state.fds[0]!, 0), 0, 0, 0);
    demand('ftruncate', 0, state.calls.ftruncate(state.fds[0]!, model.size), 0, 0, 0);
  } else if (state.rules.punch) {
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    const got = state.calls.fallocate(state.fds[0]!, mode, 0, model.size);
    demand('fallocate', 0, got, 0, 0, model.size);
  } else {
    writeModel(state, 0, 0, model.size);
  }
  const half = model.size >> 1;
  for (let at = 0; at < half; at += PIECE) {
    model.write(at, state.pool, at % (PIECE * 7), Math.min(PIECE, half - at));
  }
  writeModel(state, 0, 0, half);
}

/** Writes the model to the file, after operations that changed only the model. */
export function writeModel(state: State, number: number, from: number, to: number): void {
  const { memory, model, options } = state;
  if (options.growable) {
    const got = state.calls.ftruncate(state.fds[0]!, model.size);
    demand('ftruncate', number, got, 0, 0, 0);
  }
  for (let at = from; at < to; at += PIECE) {
    const length = Math.min(PIECE, to - at);
    model.bytes.copy(memory.bytes, 0, at, at + length);
    const operation = extra(number, 'write', 0);
    state.journal.add(operation, state.lanes[0]!.label, at, at + length, 'content to begin with');
    const got = state.calls.pwrite(state.fds[0]!, memory.address, length, at);
    demand('write', number, got, length, at, at + length);
  }
}

/** Reads the whole file and a bit beyond it through one descriptor, and compares. */
export function checkWhole(state: State, number: number, lane: number): void {
  for (let at = 0; at <= state.model.size; at += PIECE) {
    read(state, { ...extra(number, 'read', lane), offset: at, length: PIECE });
  }
}

/** The size that fstat gives must be the model's. */
export function checkSize(state: State, number: number, lane: number): void {
  const { size } = fstatSync(state.fds[lane]!);
  demand('fstat size', number, size, state.model.size, 0, 0);
}

/** Checks the whole file through every descriptor, and the host file if one is named. */
export function checkEnd(state: State, number: number): void {
  for (let lane = 0; lane < state.lanes.length; lane++) {
    checkSize(state, number, lane);
    checkWhole(state, number, lane);
  }
  for (let at = 0; at <= state.model.size; at += PIECE) {
    checkHoles(state, { ...extra(number, 'seek', 0), offset: at });
  }
  demand('fsync', number, state.calls.fsync(state.fds[0]!), 0, 0, 0);
  if (state.options.host !== null) checkHost(state, number, state.options.host);
}

/** Compares the host file, which may end early: missing bytes count as zeros. */
function checkHost(state: State, number: number, path: string): void {
  const { model } = state;
  const host = readFileSync(path);
  const beyond = Math.max(0, host.length - model.size);
  demand('bytes of the host file behind the end', number, beyond, 0, 0, 0);
  demandEqual('host file', number, 0, model.bytes.subarray(0, host.length), host);
  const rest = Buffer.alloc(model.size - host.length);
  const expected = model.bytes.subarray(host.length, model.size);
  demandEqual('behind the end of the host file', number, host.length, expected, rest);
}
