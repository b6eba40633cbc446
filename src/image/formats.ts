import type { Format } from './format.js';
import { qcow2 } from './qcow2/format.js';
import { raw } from './raw/format.js';

/** The formats that can be mounted. */
export const FORMATS: readonly Format[] = [raw, qcow2];

/** The format of that name; there must be one. */
export function formatNamed(name: string): Format {
  return FORMATS.find((format) => format.name === name)!;
}
