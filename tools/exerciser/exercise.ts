import { writeFileSync } from 'node:fs';
import { applyToModel } from './apply.js';
import { concurrentRound } from './concurrent.js';
import { execute, read } from './execute.js';
import type { Calls } from './libc.js';
import type { ExerciseOptions } from './options.js';
import { plan } from './plan.js';
import { closeState, openState, type State } from './state.js';
import { checkEnd, checkSize, checkWhole, writeModel, writeStart } from './whole.js';

/** The size is checked after this many operations that do not change it. */
const SIZE_EVERY = 64;

/** The result of an exercise. */
export interface Outcome {
  operations: number;
  bytesRead: number;
  bytesWritten: number;
  /** Kinds of operation that the file system does not support. */
  leftOut: string[];
}

/** Runs after each operation. Tests use it to damage the file. */
export type AfterOperation = (state: State, number: number) => void;

/**
 * Exercises one file.
 *
 * @throws Difference if file and model differ; `state.journal` has the operations so far.
 */
export async function exercise(state: State, after: AfterOperation): Promise<Outcome> {
  const { options } = state;
  writeStart(state);
  checkWhole(state, 0, 0);
  if (options.concurrent > 0) await runConcurrent(state, after);
  else runSequence(state, after);
  checkEnd(state, options.stopAt + 1);
  if (options.saveModel !== null) {
    writeFileSync(options.saveModel, state.model.bytes.subarray(0, state.model.size));
  }
  const leftOut = [];
  if (!state.rules.punch) leftOut.push('punch');
  if (!state.rules.zeroRange) leftOut.push('zero');
  return {
    operations: options.stopAt,
    bytesRead: state.bytesRead,
    bytesWritten: state.bytesWritten,
    leftOut,
  };
}

/** Opens the file, runs `use`, closes it whatever happens. */
export async function withState<T>(
  options: ExerciseOptions,
  calls: Calls,
  use: (state: State) => Promise<T>,
): Promise<T> {
  const state = openState(options, calls);
  try {
    return await use(state);
  } finally {
    closeState(state);
  }
}

function runSequence(state: State, after: AfterOperation): void {
  const { model, options } = state;
  for (let number = 1; number < options.firstOp; number++) {
    applyToModel(state, plan(state.rules, number, model.size));
  }
  if (options.firstOp > 1) writeModel(state, options.firstOp - 1, 0, model.size);
  for (let number = options.firstOp; number <= options.stopAt; number++) {
    const operation = plan(state.rules, number, model.size);
    execute(state, operation);
    applyToModel(state, operation);
    if (options.growable || number % SIZE_EVERY === 0) checkSize(state, number, operation.lane);
    after(state, number);
  }
}

async function runConcurrent(state: State, after: AfterOperation): Promise<void> {
  const { concurrent, stopAt } = state.options;
  for (let number = 1; number <= stopAt; number += concurrent) {
    const check = await concurrentRound(state, number);
    after(state, number);
    read(state, check);
  }
}
