import { malformed } from '../refusal.js';
import * as abi from './abi.js';

/** The contents of the header extensions. */
export interface Extensions {
  backingFormat: string | null;
  dataFileName: string | null;
  /** Names of feature bits: key `TYPE:BIT`, types 0 incompatible, 1 compatible, 2 autoclear. */
  featureNames: ReadonlyMap<string, string>;
  /** Number of persistent bitmaps. */
  bitmaps: number;
}

/**
 * Reads the header extensions, which lie between the header and `end`, all within the first cluster.
 * Each step advances by at least 8 bytes, so the loop ends.
 *
 * @param head the first cluster of the image, zeros past its end
 * @param start length of the header
 * @param end where the backing file's name begins, or the end of the cluster
 * @throws SluiceError exit code 3 for an extension that does not fit
 */
export function parseExtensions(
  path: string,
  head: Uint8Array,
  start: number,
  end: number,
): Extensions {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const featureNames = new Map<string, string>();
  const found: Extensions = {
    backingFormat: null,
    dataFileName: null,
    featureNames,
    bitmaps: 0,
  };
  for (let at = start; at + 8 <= end; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === abi.EXTENSION_END) break;
    at += 8;
    if (length > end - at) {
      throw malformed(path, `header extension 0x${type.toString(16)} is longer than its place`);
    }
    const data = head.subarray(at, at + length);
    if (type === abi.EXTENSION_BACKING_FORMAT) found.backingFormat = textOf(data);
    else if (type === abi.EXTENSION_DATA_FILE) found.dataFileName = textOf(data);
    else if (type === abi.EXTENSION_BITMAPS && length >= 4) found.bitmaps = view.getUint32(at);
    else if (type === abi.EXTENSION_FEATURE_NAMES) readFeatureNames(data, featureNames);
    at += Math.ceil(length / 8) * 8;
  }
  return found;
}

function readFeatureNames(data: Uint8Array, names: Map<string, string>): void {
  const whole = data.length - (data.length % abi.FEATURE_NAME_BYTES);
  for (let at = 0; at < whole; at += abi.FEATURE_NAME_BYTES) {
    const name = textOf(data.subarray(at + 2, at + abi.FEATURE_NAME_BYTES));
    names.set(`${data[at]}:${data[at + 1]}`, name);
  }
}

/** Text up to the first zero byte. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
}
