import { withParents } from '../control/group-name.js';
import { DEPTH } from '../control/values.js';
import { MS_RDONLY, parseMountOptions } from '../fuse/mount-options.js';
import { METADATA_CACHE_BYTES } from '../image/image-config.js';
import type { ImageConfig, MountConfig } from '../server/config.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { parseSize } from '../util/units.js';
import { parseFormats } from './format-option.js';
import {
  checkAssignments,
  checkGroups,
  parseAssignOption,
  parseGroupOption,
} from './group-option.js';
import { checkNameClash, parseImageArgument } from './image-argument.js';
import { parseNamedFiles } from './image-commands.js';
import type { MountArguments } from './mount-options.js';
import { many, oneFlag, oneInteger, oneText, oneWord } from './option-values.js';
import { parseOwnership } from './ownership.js';
import { absolutePath } from './working-directory.js';

/** The surroundings of the command line: no other state of the process counts. */
export interface CliEnvironment {
  /** Absolute directory that relative paths start from. */
  directory: string;
}

/** A second of spinning: more would be a mistake, not a setting. */
const MAX_POLL_US = 1_000_000;
const DEFAULT_POLL_US = 50;

const CACHES = ['none', 'page'] as const;
const TRANSPORTS = ['auto', 'uring', 'fuse-native'] as const;

function parseDepth(value: MountArguments['depth']): 'auto' | number {
  if (oneText('--depth', value, 'auto') === 'auto') return 'auto';
  return oneInteger('--depth', value, ...DEPTH.range, 0, 'auto or ');
}

/** Smaller would load tables all the time; larger holds tables of images that do not exist. */
const METADATA_CACHE_MIN = 1 << 20;
const METADATA_CACHE_MAX = 2 ** 30;

function parseMetadataCache(value: MountArguments['metadataCache']): number {
  const text = oneText('--metadata-cache', value, String(METADATA_CACHE_BYTES));
  const bytes = parseSize(text);
  if (bytes >= METADATA_CACHE_MIN && bytes <= METADATA_CACHE_MAX) return bytes;
  const message = `--metadata-cache ${text}: expected a size from 1M to 1G`;
  throw new SluiceError(message, 'ERANGE', EXIT_USAGE);
}

/** Splits `[NAME=]IMAGE... MOUNTPOINT`. */
function splitPaths(paths: readonly string[]): { images: string[]; mountpoint: string } {
  const mountpoint = paths.at(-1);
  if (mountpoint === undefined || paths.length < 2) {
    throw new SluiceError(
      'name at least one image and, last, the mount point: sluice mount disk.img /mnt/s',
      'EINVAL',
      EXIT_USAGE,
    );
  }
  return { images: paths.slice(0, -1), mountpoint };
}

function parseImages(texts: readonly string[], args: MountArguments, directory: string) {
  const formats = parseFormats(args.format);
  const snapshot = oneText('--snapshot', args.snapshot, '') || null;
  const named = parseNamedFiles(args, directory);
  const images = texts.map((text): ImageConfig => {
    return { ...parseImageArgument(text, directory), ...formats, snapshot, named };
  });
  checkNameClash(images);
  return images;
}

/**
 * Builds the configuration of a mount from the parsed command line. Pure: no file is looked at.
 *
 * @throws SluiceError EINVAL and others, exit code 2
 */
export function buildMountConfig(args: MountArguments, env: CliEnvironment): MountConfig {
  const paths = splitPaths(args.paths);
  const images = parseImages(paths.images, args, env.directory);
  const groups = many(args.group).map(parseGroupOption);
  checkGroups(groups);
  const assignments = many(args.assign).map(parseAssignOption);
  const names = images.map((image) => image.name);
  checkAssignments(assignments, names, withParents(groups.map((group) => group.path)));
  const mountOptions = many(args.o);
  const fstab = parseMountOptions(mountOptions);
  const allowOther = oneFlag('--allow-other', args.allowOther, false) || fstab.allowOther;
  return {
    mountpoint: absolutePath('the mount point', paths.mountpoint, env.directory),
    images,
    groups,
    assignments,
    readOnly: oneFlag('--read-only', args.readOnly, false) || (fstab.flags & MS_RDONLY) !== 0,
    growable: oneFlag('--growable', args.growable, false),
    direct: oneFlag('--direct', args.direct, true),
    metadataCache: parseMetadataCache(args.metadataCache),
    cache: oneWord('--cache', args.cache, CACHES, 'none'),
    depth: parseDepth(args.depth),
    transport: oneWord('--transport', args.transport, TRANSPORTS, 'auto'),
    pollUs: oneInteger('--poll-us', args.pollUs, 0, MAX_POLL_US, DEFAULT_POLL_US),
    allowOther,
    ...parseOwnership(args, allowOther),
    mountOptions,
    verbose: oneFlag('--verbose', args.verbose, false),
    foreground: oneFlag('--foreground', args.foreground, false),
    logFile:
      args.log === undefined
        ? null
        : absolutePath('--log', oneText('--log', args.log, ''), env.directory),
  };
}
