import { unsupported } from '../refusal.js';
import * as abi from './abi.js';

const KNOWN_INCOMPATIBLE =
  (1 << abi.INCOMPATIBLE_DIRTY) |
  (1 << abi.INCOMPATIBLE_CORRUPT) |
  (1 << abi.INCOMPATIBLE_DATA_FILE) |
  (1 << abi.INCOMPATIBLE_COMPRESSION) |
  (1 << abi.INCOMPATIBLE_EXTENDED_L2);

/** The 64 bits of a feature field. */
export interface FeatureBits {
  low: number;
  high: number;
}

export function readFeatureBits(view: DataView, at: number): FeatureBits {
  return { high: view.getUint32(at), low: view.getUint32(at + 4) };
}

export function hasFeature(bits: FeatureBits, bit: number): boolean {
  return ((bits.low >>> bit) & 1) === 1;
}

/**
 * Refuses an image with unknown incompatible features. The error names them as the feature table of the
 * image does.
 *
 * @throws SluiceError ENOTSUP, exit code 3
 */
export function checkIncompatible(
  path: string,
  bits: FeatureBits,
  names: ReadonlyMap<string, string>,
): void {
  const unknown: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const word = bit < 32 ? bits.low & ~KNOWN_INCOMPATIBLE : bits.high;
    if (((word >>> (bit & 31)) & 1) === 0) continue;
    const name = names.get(`0:${bit}`);
    unknown.push(name === undefined ? `${bit}` : `${bit} (${JSON.stringify(name)})`);
  }
  if (unknown.length === 0) return;
  const what = unknown.length === 1 ? 'bit' : 'bits';
  const verb = unknown.length === 1 ? 'is' : 'are';
  const list = unknown.join(', ');
  throw unsupported(path, `incompatible feature ${what} ${list} ${verb} not supported`);
}
