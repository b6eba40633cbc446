import { ERRNO } from '../../src/util/errno.js';
import { Difference } from './difference.js';
import { hex } from './journal.js';
import { SEEK_DATA, SEEK_HOLE } from './libc.js';
import type { Operation } from './plan.js';
import type { State } from './state.js';

/** Number of extents followed from one place. */
const STEPS = 8;

/**
 * Follows SEEK_DATA and SEEK_HOLE from the operation's offset. Their answers must be consistent, and a
 * hole must read as zeros. Zeros that count as data are no error.
 */
export function checkHoles(state: State, operation: Operation): void {
  let at = operation.offset;
  for (let step = 0; step < STEPS; step++) {
    at = checkExtent(state, operation, at);
    if (at >= state.model.size) return;
  }
}

/** Checks the extent at `at`; returns where the next one begins. */
function checkExtent(state: State, operation: Operation, at: number): number {
  const { model } = state;
  const fd = state.fds[operation.lane]!;
  const data = state.calls.lseek(fd, at, SEEK_DATA);
  const hole = state.calls.lseek(fd, at, SEEK_HOLE);
  const fail = (what: string, to: number): never => {
    const answers = `SEEK_DATA ${data}, SEEK_HOLE ${hole} at ${hex(at)} of ${model.size}`;
    throw new Difference(`seek: ${what}: ${answers}`, operation.number, at, to);
  };
  if (at >= model.size) {
    if (data !== -ERRNO.ENXIO || hole !== -ERRNO.ENXIO) fail('not ENXIO behind the end', at);
    return at;
  }
  const dataStart = data === -ERRNO.ENXIO ? model.size : data;
  if (dataStart < at || dataStart > model.size) fail('data outside of the file', model.size);
  if (hole < at || hole > model.size) fail('hole outside of the file', model.size);
  if (dataStart > at && hole !== at) fail('neither data nor hole', at + 1);
  if (dataStart === at && hole === at) fail('both data and hole', at + 1);
  const wrong = model.firstData(at, dataStart);
  if (wrong >= 0) fail(`a hole where there is data at ${hex(wrong)}`, wrong + 1);
  return dataStart > at ? dataStart : hole;
}
