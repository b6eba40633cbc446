import { withParents } from '../control/group-name.js';
import { DEPTH } from '../control/values.js';
import { MS_RDONLY, parseMountOptions } from '../fuse/mount-options.js';
import { METADATA_CACHE_BYTES } from '../image/image-config.js';
import type { ImageConfig, MountConfig } from '../server/config.js';
import { naming, refuse } from '../util/errors.js';
import { parseSize } from '../util/units.js';
import {
  checkAssignments,
  checkGroups,
  parseAssignOption,
  parseGroupOption,
} from './group-option.js';
import { checkNameClash, parseImageArgument } from './image-argument.js';
import { parseChainOptions } from './image-commands.js';
import type { MountArguments } from './mount-options.js';
import { oneInteger, oneWord, parseAddress, parseSectorSize } from './option-values.js';
import { parseOwnership } from './ownership.js';
import { absolutePath } from './working-directory.js';

/** A second of spinning: more would be a mistake, not a setting. */
const MAX_POLL_US = 1_000_000;

const CACHES = ['none', 'page'] as const;
const TRANSPORTS = ['auto', 'uring', 'fuse-uring', 'fuse-native'] as const;

/** A day, seconds. */
const NBD_TIMEOUT_MAX = 86_400;

/** Smaller would load tables all the time; larger holds tables of images that do not exist. */
const METADATA_CACHE_MIN = 1 << 20;
const METADATA_CACHE_MAX = 2 ** 30;

/** Bytes of `--metadata-cache`. Throws ERANGE, exit code 2. */
export function parseMetadataCache(text = String(METADATA_CACHE_BYTES)): number {
  const bytes = parseSize(text);
  if (bytes >= METADATA_CACHE_MIN && bytes <= METADATA_CACHE_MAX) return bytes;
  throw refuse(`--metadata-cache ${text}: expected a size from 1M to 1G`, 'ERANGE');
}

/** Options that are about images which the command line names. */
const OF_IMAGES = [
  'format',
  'snapshot',
  'data-file',
  'backing-file',
  'overlay',
  'passthrough',
] as const;

/** Splits `[NAME=]IMAGE... MOUNTPOINT`, or takes `--empty MOUNTPOINT`. */
function splitPaths(args: MountArguments): { images: string[]; mountpoint: string } {
  const { paths, empty = false } = args;
  const mountpoint = paths.at(-1);
  if (empty && mountpoint !== undefined) {
    if (paths.length > 1) throw refuse(`--empty: there is an image, ${paths[0]}; leave one out`);
    const given = OF_IMAGES.find((option) => args[option] !== undefined);
    if (given === undefined) return { images: [], mountpoint };
    throw refuse(`--empty: --${given} is about an image; give it to sluice attach`);
  }
  if (mountpoint === undefined || paths.length < 2) {
    const example = 'sluice mount disk.img /mnt/s';
    throw refuse(`name at least one image, or --empty, and, last, the mount point: ${example}`);
  }
  return { images: paths.slice(0, -1), mountpoint };
}

function parseImages(texts: readonly string[], args: MountArguments, directory: string) {
  const options = parseChainOptions(args, directory);
  const images = texts.map((text): ImageConfig => {
    return { ...parseImageArgument(text, directory), ...options };
  });
  checkNameClash(images);
  return images;
}

/**
 * Builds the configuration of a mount from the parsed command line. Pure: no file is looked at.
 *
 * @param directory absolute directory that relative paths start from
 * @throws SluiceError EINVAL and others, exit code 2
 */
export function buildMountConfig(args: MountArguments, directory: string): MountConfig {
  const paths = splitPaths(args);
  const images = parseImages(paths.images, args, directory);
  const groups = (args.group ?? []).map(parseGroupOption);
  checkGroups(groups);
  const assignments = (args.assign ?? []).map(parseAssignOption);
  const names = images.map((image) => image.name);
  const { partitions = true } = args;
  const sectorSize = parseSectorSize(args['sector-size']);
  if (!partitions && sectorSize !== null) throw refuse('--sector-size: goes with partitions');
  const groupPaths = withParents(groups.map((group) => group.path));
  checkAssignments(assignments, names, groupPaths, partitions);
  const { depth = 'auto', growable = false, direct = true, verbose = false } = args;
  const { foreground = false, log, o: mountOptions = [] } = args;
  const fstab = parseMountOptions(mountOptions);
  const allowOther = (args['allow-other'] ?? false) || fstab.allowOther;
  return {
    mountpoint: absolutePath('the mount point', paths.mountpoint, directory),
    images,
    groups,
    assignments,
    untrusted: args.untrusted ?? false,
    readOnly: (args['read-only'] ?? false) || (fstab.flags & MS_RDONLY) !== 0,
    growable,
    passthrough: [...new Set(args.passthrough)],
    partitions: partitions ? { sectorSize } : null,
    direct,
    nbd: {
      timeoutMs:
        1000 * oneInteger('--nbd-timeout', args['nbd-timeout'] ?? '30', 0, NBD_TIMEOUT_MAX),
      connections: oneInteger('--nbd-connections', args['nbd-connections'] ?? '4', 1, 16),
    },
    metadataCache: parseMetadataCache(args['metadata-cache']),
    cache: oneWord('--cache', args.cache ?? 'none', CACHES),
    depth: naming('--depth', () => DEPTH.parse(depth)),
    transport: oneWord('--transport', args.transport ?? 'auto', TRANSPORTS),
    pollUs: oneInteger('--poll-us', args['poll-us'] ?? '50', 0, MAX_POLL_US),
    allowOther,
    ...parseOwnership(args, allowOther),
    mountOptions: [...mountOptions],
    verbose,
    foreground,
    metrics: parseAddress('--metrics', args.metrics),
    logFile: log === undefined ? null : absolutePath('--log', log, directory),
  };
}
