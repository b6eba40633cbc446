import { withParents } from '../control/group-name.js';
import { DEPTH } from '../control/values.js';
import { MS_RDONLY, parseMountOptions } from '../fuse/mount-options.js';
import { DISCARD, type ImageConfig, type MountConfig } from '../server/config.js';
import { naming, refuse } from '../util/errors.js';
import {
  checkAssignments,
  checkGroups,
  parseAssignOption,
  parseGroupOption,
} from './group-option.js';
import { checkNameClash, parseImageArgument } from './image-argument.js';
import { parseChainOptions } from './image-commands.js';
import { parseMetadataCache } from './image-options.js';
import {
  type FileConfig,
  mergeAssignments,
  mergeGroups,
  mergeImages,
  mergeOptions,
  withFaults,
} from './merge-config.js';
import { CACHES, type MountArguments, OF_IMAGES, TRANSPORTS } from './mount-options.js';
import { oneInteger, oneWord, parseAddress, parseSectorSize } from './option-values.js';
import { parseOwnership } from './ownership.js';
import { absolutePath, overlayPath } from './working-directory.js';

/** A second of spinning: more would be a mistake, not a setting. */
const MAX_POLL_US = 1_000_000;

/** A day, seconds. */
const NBD_TIMEOUT_MAX = 86_400;

/** Splits `[NAME=]IMAGE... MOUNTPOINT`, or takes `--empty MOUNTPOINT`. */
function splitPaths(
  args: MountArguments,
  file: FileConfig | null,
): { images: string[]; mountpoint: string } {
  const { paths, empty = false } = args;
  const mountpoint = paths.at(-1) ?? file?.mountpoint ?? undefined;
  const images = paths.slice(0, -1);
  if (empty && mountpoint !== undefined) {
    const named = images[0] ?? file?.images[0]?.image.path;
    if (named !== undefined) throw refuse(`--empty: there is an image, ${named}; leave one out`);
    return { images: withoutOptions(args, '--empty: '), mountpoint };
  }
  if (file !== null) {
    if (mountpoint === undefined) {
      const ways = `last on the command line, or as mountpoint: in ${file.file}`;
      throw refuse(`name the mount point, ${ways}`);
    }
    return images.length > 0
      ? { images, mountpoint }
      : { images: withoutOptions(args), mountpoint };
  }
  if (mountpoint === undefined || paths.length < 2) {
    const example = 'sluice mount disk.img /mnt/s';
    throw refuse(`name at least one image, or --empty, and, last, the mount point: ${example}`);
  }
  return { images, mountpoint };
}

/** No image is on the command line, so nothing there may be about one. Passthrough names one of the file. */
function withoutOptions(args: MountArguments, prefix = ''): [] {
  const isEmpty = prefix !== '';
  const given = OF_IMAGES.find(
    (option) => args[option] !== undefined && (isEmpty || option !== 'passthrough'),
  );
  if (given === undefined) return [];
  const where = isEmpty ? 'give it to sluice attach' : 'give it to the image in the file';
  throw refuse(`${prefix}--${given} is about an image; ${where}`);
}

function parseImages(texts: readonly string[], args: MountArguments, directory: string) {
  const options = parseChainOptions(args, directory);
  const over = ownFiles(args, texts, directory);
  return texts.map((text): ImageConfig => {
    return { ...parseImageArgument(text, directory), ...options, ...over };
  });
}

/** Files that an image has for itself. */
function ownFiles(
  { overlay, 'cache-file': cacheFile }: MountArguments,
  images: readonly string[],
  directory: string,
): Pick<ImageConfig, 'overlay' | 'cacheFile'> {
  const checkOne = (option: string): void => {
    if (images.length > 1) throw refuse(`${option}: takes one image; mount the others elsewhere`);
  };
  const over = overlay && overlayPath('--overlay', overlay, directory);
  const near = cacheFile && absolutePath('--cache-file', cacheFile, directory);
  if (over !== undefined && over !== DISCARD) checkOne('--overlay');
  if (near !== undefined) checkOne('--cache-file');
  return {
    ...(over !== undefined && { overlay: over }),
    ...(near !== undefined && { cacheFile: near }),
  };
}

/**
 * Builds the configuration of a mount from the parsed command line. Pure: no file is looked at.
 *
 * @param directory absolute directory that relative paths start from
 * @param file the configuration file that the command line names; null: none
 * @param say takes a sentence for each thing of the file over which the command line wins
 * @throws SluiceError EINVAL and others, exit code 2
 */
export function buildMountConfig(
  words: MountArguments,
  directory: string,
  file: FileConfig | null = null,
  say: (sentence: string) => void = () => {},
): MountConfig {
  const paths = splitPaths(words, file);
  const given = {
    images: parseImages(paths.images, words, directory),
    groups: (words.group ?? []).map(parseGroupOption),
    assignments: (words.assign ?? []).map(parseAssignOption),
  };
  checkGroups(given.groups);
  const args = file === null ? words : mergeOptions(words, file, say);
  const all = file === null ? given.images : mergeImages(given.images, words, file, say);
  const images = withFaults(all, words.faults ?? [], file, say);
  const groups = file === null ? given.groups : mergeGroups(given.groups, words.depth, file, say);
  const assignments =
    file === null ? given.assignments : mergeAssignments(given.assignments, file, say);
  checkNameClash(images);
  const mountpoint = absolutePath('the mount point', paths.mountpoint, directory);
  if (file !== null && mountpoint !== (file.mountpoint ?? mountpoint)) {
    say(`the mount point ${mountpoint} wins over ${file.mountpoint} in ${file.file}`);
  }
  const names = images.map((image) => image.name);
  const { partitions = true } = args;
  const sectorSize = parseSectorSize(args['sector-size']);
  if (!partitions && sectorSize !== null) throw refuse('--sector-size: goes with partitions');
  const groupPaths = withParents(groups.map((group) => group.path));
  checkAssignments(assignments, names, groupPaths, partitions);
  const { depth = 'auto', growable = false, direct = true, verbose = false } = args;
  const { foreground = false, log, o: mountOptions = [] } = args;
  const { 'metrics-write': token } = args;
  if (token !== undefined && args.metrics === undefined) {
    throw refuse('--metrics-write: the page that it is for needs --metrics');
  }
  const fstab = parseMountOptions(mountOptions);
  const allowOther = (args['allow-other'] ?? false) || fstab.allowOther;
  return {
    mountpoint,
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
    depth: naming('--depth', () => DEPTH.parse(depth, `"${depth}"`)),
    transport: oneWord('--transport', args.transport ?? 'auto', TRANSPORTS),
    pollUs: oneInteger('--poll-us', args['poll-us'] ?? '50', 0, MAX_POLL_US),
    allowOther,
    ...parseOwnership(args, allowOther),
    mountOptions: [...mountOptions],
    verbose,
    foreground,
    keeper: args.keeper ?? false,
    metrics: parseAddress('--metrics', args.metrics),
    metricsToken: token === undefined ? null : absolutePath('--metrics-write', token, directory),
    logFile: log === undefined ? null : absolutePath('--log', log, directory),
    source: file === null ? null : { file: file.file, words: { ...words }, directory, images },
  };
}
