import { Difference } from './difference.js';
import type { Operation } from './plan.js';
import { MAX_TRANSFER } from './plan.js';
import { Random } from './random.js';
import type { State } from './state.js';

/** The longest write. Most are far shorter, so that several share a sector. */
const LONGEST = 6000;

/** Writes made in parallel: adjacent ranges without gaps, not aligned. */
interface Round {
  readonly start: number;
  readonly operations: readonly Operation[];
}

function planRound(state: State, number: number): Round {
  const random = new Random(state.rules.seed, number);
  const count = state.options.concurrent;
  const lanes = state.lanes
    .map((lane, index) => ({ ...lane, index }))
    .filter((lane) => lane.writable && (!lane.direct || state.rules.directAlign === 1));
  const start = random.below(state.model.size - count * LONGEST);
  let offset = start;
  const operations = Array.from({ length: count }, (_, i): Operation => {
    const length = 1 + random.below(random.oneIn(4) ? LONGEST : 300);
    offset += length;
    return {
      number: number + i,
      kind: 'write',
      offset: offset - length,
      length,
      lane: lanes[random.below(lanes.length)]!.index,
      source: random.below(state.pool.length - MAX_TRANSFER),
      skew: 0,
      flag: false,
    };
  });
  return { start, operations };
}

/** Puts all data into memory, writes the ranges in parallel, and waits for all. */
async function writeRound(state: State, round: Round): Promise<void> {
  const { calls, fds, memory, pool } = state;
  const writes = round.operations.map((operation) => {
    const at = operation.offset - round.start;
    pool.copy(memory.bytes, at, operation.source, operation.source + operation.length);
    const fd = fds[operation.lane]!;
    return calls.pwriteAsync(fd, memory.address + at, operation.length, operation.offset);
  });
  const results = await Promise.all(writes);
  round.operations.forEach((operation, i) => {
    const { number, offset, length, lane } = operation;
    state.journal.add(operation, state.lanes[lane]!.label, offset, offset + length, 'in parallel');
    state.bytesWritten += length;
    if (results[i] === length) return;
    const what = `parallel write returned ${results[i]}, expected ${length}`;
    throw new Difference(what, number, offset, offset + length);
  });
}

/** Makes one round of parallel writes and checks that exactly these have changed the file. */
export async function concurrentRound(state: State, number: number): Promise<Operation> {
  const round = planRound(state, number);
  await writeRound(state, round);
  for (const { offset, source, length } of round.operations) {
    state.model.write(offset, state.pool, source, length);
  }
  const last = round.operations.at(-1)!;
  // The bytes around them too: a lost update shows at the edges.
  const from = Math.max(0, round.start - 4096);
  const to = Math.min(state.model.size, last.offset + last.length + 4096);
  return { ...last, kind: 'read', lane: 0, offset: from, length: to - from };
}
