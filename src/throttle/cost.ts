import { refuse } from '../util/errors.js';

/** Models of a request's cost when weights share the device: the words of `io.cost`. */
export const COST_MODELS = ['ios', 'bytes', 'linear'] as const;
export type CostModel = (typeof COST_MODELS)[number];

/** Cost of a request in units: base + perByte * bytes. */
export interface CostParts {
  readonly base: number;
  readonly perByte: number;
}

/**
 * Base and per-byte part of each model, in units; a request of 4 KiB is one unit in all of them.
 *
 * In `linear` a request of 1 MiB is 48 units. fio measured on a virtio disk, random and direct, in
 * requests a second: reads of 4 KiB 79.5 K, 16 KiB 50.6 K, 64 KiB 17.8 K, 256 KiB 4.7 K, 1 MiB 1.17 K;
 * writes of 4 KiB 97.5 K, 1 MiB 3.27 K. So 1 MiB takes the time of 68 small reads or of 30 small
 * writes, and 48 is between. By the line 16 KiB are 1.6 units (measured 1.6), 64 KiB 3.8 (measured
 * 4.5). On a rotating disk, where seeks take most of the time, `ios` is nearer; on a network, `bytes`.
 */
const MODELS: Readonly<Record<CostModel, CostParts>> = {
  ios: { base: 1, perByte: 0 },
  bytes: { base: 0, perByte: 1 / 4096 },
  linear: { base: 1 - 47 / 255, perByte: 47 / 255 / 4096 },
};

/** The parts of a model. Throws EINVAL for another word. */
export function costModel(name: CostModel): CostParts {
  if (Object.hasOwn(MODELS, name)) return MODELS[name];
  throw refuse(`cost model "${name}": expected one of ${COST_MODELS.join(', ')}`);
}
