import { constants, fstatSync } from 'node:fs';
import { ERRNO } from '../../src/util/errno.js';
import { writable } from './apply.js';
import { demandEqual } from './difference.js';
import { checkHoles } from './holes.js';
import {
  copyMemory,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from './libc.js';
import type { Kind, Operation } from './plan.js';
import { demand, openLane, type State } from './state.js';

const PAGE = 4096;

/** Carries out an operation on the file and checks its results. The model must be as before it. */
export function execute(state: State, operation: Operation): void {
  STEPS[operation.kind](state, operation);
}

const STEPS: Readonly<Record<Kind, (state: State, operation: Operation) => void>> = {
  read,
  write,
  'map-read': mapRead,
  'map-write': mapWrite,
  punch: (state, operation) =>
    allocate(state, operation, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE),
  zero: (state, operation) => allocate(state, operation, zeroMode(operation)),
  truncate: (state, operation) => truncate(state, operation, 0),
  'resize-refused': resizeRefused,
  sync: (state, operation) => sync(state, operation, operation.flag),
  seek: checkHoles,
  reopen,
};

function note(state: State, operation: Operation, length: number, text = ''): void {
  const label = state.lanes[operation.lane]!.label;
  state.journal.add(operation, label, operation.offset, operation.offset + length, text);
}

function zeroMode(operation: Operation): number {
  return operation.flag ? FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE;
}

/** Reads through a descriptor and compares. */
export function read(state: State, operation: Operation): void {
  const { number, offset, length, skew } = operation;
  const { memory, model } = state;
  const expected = model.readable(offset, length);
  // Otherwise old bytes in the memory could hide a read that does not fill it.
  memory.bytes.fill(0xa5, skew, skew + length);
  const fd = state.fds[operation.lane]!;
  const got = state.calls.pread(fd, memory.address + skew, length, offset);
  note(state, operation, length, got < length ? `returned ${got}` : '');
  demand('read', number, got, expected, offset, offset + length);
  state.bytesRead += got;
  const bytes = memory.bytes.subarray(skew, skew + got);
  if (model.equals(offset, bytes)) return;
  demandEqual('read', number, offset, model.bytes.subarray(offset, offset + got), bytes);
}

function write(state: State, operation: Operation): void {
  const { number, offset, length, skew, source } = operation;
  const { memory } = state;
  state.pool.copy(memory.bytes, skew, source, source + length);
  const fd = state.fds[operation.lane]!;
  const got = state.calls.pwrite(fd, memory.address + skew, length, offset);
  note(state, operation, length, got < length ? `returned ${got}` : '');
  demand('write', number, got, writable(state, operation), offset, offset + length);
  state.bytesWritten += Math.max(got, 0);
  if (operation.flag) sync(state, operation, true);
}

function mapRead(state: State, operation: Operation): void {
  const { number, offset, length, skew } = operation;
  const { memory, model } = state;
  withMapping(state, operation, false, (address) => {
    copyMemory(memory.address + skew, address, length);
  });
  note(state, operation, length);
  state.bytesRead += length;
  const bytes = memory.bytes.subarray(skew, skew + length);
  if (model.equals(offset, bytes)) return;
  demandEqual('map-read', number, offset, model.bytes.subarray(offset, offset + length), bytes);
}

function mapWrite(state: State, operation: Operation): void {
  const { number, offset, length, source } = operation;
  state.pool.copy(state.memory.bytes, 0, source, source + length);
  note(state, operation, length, operation.flag ? 'no msync' : 'msync');
  withMapping(state, operation, true, (address, start, mapped) => {
    copyMemory(address, state.memory.address, length);
    if (operation.flag) return;
    const got = state.calls.msync(start, mapped);
    demand('msync', number, got, 0, offset, offset + length);
  });
  state.bytesWritten += length;
}

/** Maps the pages around the range, calls `use` with the address of its first byte, and unmaps. */
function withMapping(
  state: State,
  operation: Operation,
  toWrite: boolean,
  use: (address: number, start: number, mapped: number) => void,
): void {
  const { number, offset, length } = operation;
  const before = offset % PAGE;
  const mapped = Math.ceil((before + length) / PAGE) * PAGE;
  const fd = state.fds[operation.lane]!;
  const start = state.calls.map(fd, offset - before, mapped, toWrite);
  if (start < 0) demand('mmap', number, start, 0, offset, offset + length);
  use(start + before, start, mapped);
  const got = state.calls.munmap(start, mapped);
  demand('munmap', number, got, 0, offset, offset + length);
}

function allocate(state: State, operation: Operation, mode: number): void {
  const { number, offset, length } = operation;
  const fd = state.fds[operation.lane]!;
  const got = state.calls.fallocate(fd, mode, offset, length);
  note(state, operation, length, (mode & FALLOC_FL_KEEP_SIZE) === 0 ? 'may grow' : '');
  demand('fallocate', number, got, 0, offset, offset + length);
}

function truncate(state: State, operation: Operation, expected: number): void {
  const from = Math.min(operation.offset, state.model.size);
  const to = Math.max(operation.offset, state.model.size);
  const got = state.calls.ftruncate(state.fds[operation.lane]!, operation.offset);
  const label = state.lanes[operation.lane]!.label;
  state.journal.add(operation, label, from, to, `from ${state.model.size} to ${operation.offset}`);
  demand('ftruncate', operation.number, got, expected, from, to);
}

/** An image of fixed size refuses ftruncate and ignores O_TRUNC. */
function resizeRefused(state: State, operation: Operation): void {
  truncate(state, operation, -ERRNO.EPERM);
  const { size } = state.model;
  const flags = constants.O_WRONLY | constants.O_TRUNC;
  const fd = state.calls.open(state.options.path, flags, 0);
  demand('open with O_TRUNC', operation.number, Math.min(fd, 0), 0, 0, size);
  const left = fstatSync(fd).size;
  state.calls.close(fd);
  demand('size after open with O_TRUNC', operation.number, left, size, 0, size);
}

function sync(state: State, operation: Operation, dataOnly: boolean): void {
  const fd = state.fds[operation.lane]!;
  const got = dataOnly ? state.calls.fdatasync(fd) : state.calls.fsync(fd);
  demand(dataOnly ? 'fdatasync' : 'fsync', operation.number, got, 0, 0, 0);
}

function reopen(state: State, operation: Operation): void {
  const got = state.calls.close(state.fds[operation.lane]!);
  demand('close', operation.number, got, 0, 0, 0);
  const lane = state.lanes[operation.lane]!;
  state.fds[operation.lane] = openLane(state.calls, state.options, lane, operation.lane);
}
