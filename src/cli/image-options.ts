import {
  METADATA_CACHE_BYTES,
  METADATA_CACHE_MAX,
  METADATA_CACHE_MIN,
} from '../image/image-config.js';
import type { AttachOptions } from '../server/image-order.js';
import { refuse } from '../util/errors.js';
import { parseSize } from '../util/units.js';
import type { Given } from './declaration.js';
import type { ATTACH_OPTIONS } from './mount-options.js';
import { parseSectorSize } from './option-values.js';

/** Bytes of `--metadata-cache`. Throws ERANGE, exit code 2. */
export function parseMetadataCache(text = String(METADATA_CACHE_BYTES)): number {
  const bytes = parseSize(text);
  if (bytes >= METADATA_CACHE_MIN && bytes <= METADATA_CACHE_MAX) return bytes;
  throw refuse(`--metadata-cache ${text}: expected a size from 1M to 1G`, 'ERANGE');
}

/**
 * The options of an image that are given.
 *
 * @throws SluiceError EINVAL, ERANGE; exit code 2
 */
export function imageOptions(args: Given<typeof ATTACH_OPTIONS>): AttachOptions {
  const { 'read-only': readOnly, growable, direct, untrusted, partitions } = args;
  const { 'metadata-cache': cache, 'sector-size': sectors } = args;
  const sectorSize = parseSectorSize(sectors);
  if (partitions === false && sectorSize !== null)
    throw refuse('--sector-size: goes with partitions');
  const arePartitionsAsked = partitions !== undefined || sectorSize !== null;
  return {
    ...(readOnly !== undefined && { readOnly }),
    ...(growable !== undefined && { growable }),
    ...(direct !== undefined && { direct }),
    ...(untrusted !== undefined && { untrusted }),
    ...(cache !== undefined && { metadataCache: parseMetadataCache(cache) }),
    ...(arePartitionsAsked && { partitions: partitions === false ? null : { sectorSize } }),
  };
}
