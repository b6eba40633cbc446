import { unsupported } from '../refusal.js';
import * as abi from './abi.js';

const KNOWN_INCOMPATIBLE: readonly number[] = [
  abi.INCOMPATIBLE_DIRTY,
  abi.INCOMPATIBLE_CORRUPT,
  abi.INCOMPATIBLE_DATA_FILE,
  abi.INCOMPATIBLE_COMPRESSION,
  abi.INCOMPATIBLE_EXTENDED_L2,
];

/** @param bits The 64 bits of a feature field. */
export function hasFeature(bits: bigint, bit: number): boolean {
  return ((bits >> BigInt(bit)) & 1n) === 1n;
}

/**
 * Refuses an image with unknown incompatible features. The error names them as the feature table of the
 * image does.
 *
 * @throws SluiceError ENOTSUP, exit code 3
 */
export function checkIncompatible(
  path: string,
  bits: bigint,
  names: ReadonlyMap<string, string>,
): void {
  const unknown: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (KNOWN_INCOMPATIBLE.includes(bit) || !hasFeature(bits, bit)) continue;
    const name = names.get(`0:${bit}`);
    unknown.push(name === undefined ? `${bit}` : `${bit} (${JSON.stringify(name)})`);
  }
  if (unknown.length === 0) return;
  const what = unknown.length === 1 ? 'bit' : 'bits';
  const verb = unknown.length === 1 ? 'is' : 'are';
  const list = unknown.join(', ');
  throw unsupported(path, `incompatible feature ${what} ${list} ${verb} not supported`);
}
