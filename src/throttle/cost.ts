import { EXIT_USAGE, SluiceError } from '../util/errors.js';

/** What a request counts when weights share the device: the words of `io.cost`. */
export const COST_MODELS = ['ios', 'bytes', 'linear'] as const;
export type CostModel = (typeof COST_MODELS)[number];

export interface CostParts {
  readonly base: number;
  readonly perByte: number;
}

/**
 * Base and per-byte part of each model, in units; a request of 4 KiB is one unit in all of them.
 *
 * `linear`: one of 1 MiB is 48. Measured with fio on a virtio disk, random, direct, requests a
 * second: reads of 4 KiB 79.5 K, 16 KiB 50.6 K, 64 KiB 17.8 K, 256 KiB 4.7 K, 1 MiB 1.17 K; writes
 * of 4 KiB 97.5 K, 1 MiB 3.27 K. So 1 MiB takes the time of 68 small reads or 30 small writes; 48
 * is between. The line then gives 16 KiB 1.6 units (measured 1.6) and 64 KiB 3.8 (measured 4.5).
 * On a rotating disk, where the way of the head is all, `ios` is nearer; on a network `bytes` is.
 */
const MODELS: Readonly<Record<CostModel, CostParts>> = {
  ios: { base: 1, perByte: 0 },
  bytes: { base: 0, perByte: 1 / 4096 },
  linear: { base: 1 - 47 / 255, perByte: 47 / 255 / 4096 },
};

/** The parts of a model. Throws EINVAL for a word that is none. */
export function costModel(name: CostModel): CostParts {
  if (Object.hasOwn(MODELS, name)) return MODELS[name];
  const what = `cost model "${name}": expected one of ${COST_MODELS.join(', ')}`;
  throw new SluiceError(what, 'EINVAL', EXIT_USAGE);
}
