import { ERRNO } from '../../src/util/errno.js';
import type { Operation } from './plan.js';
import type { State } from './state.js';

/** The number of bytes that a write must write; -ENOSPC at the end of an image of fixed size. */
export function writable(state: State, operation: Operation): number {
  if (!state.options.fixed) return operation.length;
  const room = state.model.size - operation.offset;
  return room > 0 ? Math.min(operation.length, room) : -ERRNO.ENOSPC;
}

/** Applies to the model the effect that the operation has, or would have had, on the file. */
export function applyToModel(state: State, operation: Operation): void {
  const { model, options } = state;
  const { offset, length, source } = operation;
  switch (operation.kind) {
    case 'write':
      model.write(offset, state.pool, source, Math.max(0, writable(state, operation)));
      break;
    case 'map-write':
      model.write(offset, state.pool, source, length);
      break;
    case 'punch':
      model.zero(offset, length, false);
      break;
    case 'zero':
      model.zero(offset, length, !operation.flag);
      break;
    case 'truncate':
      model.truncate(offset);
      break;
    default:
      return;
  }
  model.roundUp(options.sizeUnit);
}
