import { EXIT_USAGE, SluiceError } from '../util/errors.js';

/** What a request counts when weights share the device: the words of `io.cost`. */
export const COST_MODELS = ['ios', 'bytes', 'linear'] as const;
export type CostModel = (typeof COST_MODELS)[number];

/**
 * Base and per-byte part of each model, in units.
 *
 * `linear`: a request of 4 KiB is one unit and one of 1 MiB is 24.
 */
const MODELS: Readonly<Record<CostModel, { base: number; perByte: number }>> = {
  ios: { base: 1, perByte: 0 },
  bytes: { base: 0, perByte: 1 / 4096 },
  linear: { base: 1 - 23 / 255, perByte: 23 / 255 / 4096 },
};

/** The parts of a model. Throws EINVAL for a word that is none. */
export function costModel(name: CostModel): { base: number; perByte: number } {
  const model = MODELS[name];
  if (model !== undefined) return model;
  const what = `cost model "${name}": expected one of ${COST_MODELS.join(', ')}`;
  throw new SluiceError(what, 'EINVAL', EXIT_USAGE);
}
