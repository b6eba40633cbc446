import { overlayFormat } from '../image/formats.js';
import type { Declaration, Given } from './declaration.js';
import { IMAGE_OPTIONS } from './image-commands.js';
import { SECTOR_OPTION } from './option-values.js';

export const CACHES = ['none', 'page'] as const;
export const TRANSPORTS = ['auto', 'uring', 'fuse-uring', 'fuse-native'] as const;

/** Options of an image, whenever it comes. */
export const ATTACH_OPTIONS = {
  assign: {
    type: 'string',
    describe: 'MEMBER=PATH: charge an image, or uid:, gid:, pid:, cgroup:, to a group',
    repeatable: true,
  },
  'read-only': { type: 'boolean', describe: 'refuse writes' },
  ...IMAGE_OPTIONS,
  overlay: {
    type: 'string',
    describe: `FILE: writes go to a new ${overlayFormat().name} over the image; discard: to a temporary one`,
  },
  'cache-file': {
    type: 'string',
    describe: 'FILE: keeps what is read of an NBD export, from one mount to the next',
  },
  'metadata-cache': {
    type: 'string',
    describe: 'SIZE: bound of the memory for the tables of an image (default 16M)',
  },
  partitions: {
    type: 'boolean',
    describe: 'show partitions as NAME.pN.raw (default); --no-partitions: images only',
  },
  ...SECTOR_OPTION,
  faults: {
    type: 'string',
    describe: 'KEY=VALUE,...: fail or delay requests on purpose, such as read.error=1%',
  },
  growable: { type: 'boolean', describe: 'let writes past the end and truncate change the size' },
  direct: {
    type: 'boolean',
    describe: 'use O_DIRECT where the host file allows it (default); --no-direct: never',
  },
} as const;

export const MOUNT_OPTIONS = {
  config: {
    type: 'string',
    describe: 'FILE: images, groups and options in YAML; see sluice config check',
  },
  group: {
    type: 'string',
    describe: 'PATH[:KEY=VALUE,...]: make a group, with limits, weight...',
    repeatable: true,
  },
  ...ATTACH_OPTIONS,
  faults: {
    type: 'string',
    describe: 'NAME:KEY=VALUE,...: fail or delay requests on purpose: disk:read.error=1%',
    repeatable: true,
  },
  empty: { type: 'boolean', describe: 'no image yet: they come by sluice attach' },
  cache: {
    type: 'string',
    describe: 'MODE: none, or page: keep the kernel page cache (default none)',
    words: CACHES,
  },
  'nbd-timeout': {
    type: 'string',
    describe: 'SECONDS: how long requests wait for a server that is lost (default 30)',
  },
  'nbd-connections': {
    type: 'string',
    describe: 'N: most connections to a server that allows several, 1..16 (default 4)',
  },
  passthrough: {
    type: 'string',
    describe: 'NAME: let the kernel read and write the image itself, uncounted; for root',
    repeatable: true,
  },
  depth: {
    type: 'string',
    describe: 'N: most requests in flight, 1..4096, or auto (default auto)',
    words: ['auto'],
  },
  transport: {
    type: 'string',
    describe: `NAME: how to speak to the kernel: ${TRANSPORTS.join(', ')} (default auto)`,
    words: TRANSPORTS,
  },
  'poll-us': {
    type: 'string',
    describe: 'N: microseconds to spin for the next request (default 50)',
  },
  owner: {
    type: 'string',
    describe: 'USER[:GROUP]: owner of the image files (default: the user who mounts)',
  },
  mode: {
    type: 'string',
    describe: 'OCTAL: permission bits of the image files, such as 0660',
  },
  'allow-other': { type: 'boolean', describe: 'let other users use the mount' },
  keeper: {
    type: 'boolean',
    describe: 'start the daemon again if it is killed (not for images of every format)',
  },
  foreground: { type: 'boolean', describe: 'stay in the foreground; log to stderr' },
  metrics: {
    type: 'string',
    describe: '[HOST:]PORT: serve metrics for Prometheus there (HOST: 127.0.0.1)',
  },
  'metrics-write': {
    type: 'string',
    describe: 'FILE: its token changes groups on the page of --metrics',
  },
  log: { type: 'string', describe: 'FILE: where the daemon logs' },
  verbose: { type: 'boolean', describe: 'log a line for each request; stacks of errors' },
  o: {
    type: 'string',
    describe: 'WORD,...: options in the style of fstab, such as ro,noatime',
    repeatable: true,
  },
} as const;

/** Options about images that the command line names. */
export const OF_IMAGES = [
  'format',
  'snapshot',
  'data-file',
  'backing-file',
  'overlay',
  'cache-file',
  'passthrough',
] as const;

/** Operands and options of `sluice mount`. */
export type MountArguments = {
  paths: readonly string[];
  /** A command to run while the files are mounted. */
  command?: readonly string[];
} & Given<typeof MOUNT_OPTIONS>;

/** A test checks that docs/manual.md has each option. */
export const MOUNT: Declaration = {
  usage:
    'sluice mount [NAME=]IMAGE... MOUNTPOINT [options] [-- COMMAND...]\n\nMount images as plain files; with a COMMAND, while that runs.',
  operands: { paths: 'images, each shown as NAME.raw, and the mount point' },
  options: MOUNT_OPTIONS,
  // The mount is complete without the words after it.
  isCommand: (operands, { config, empty }) =>
    config !== undefined || operands >= (empty === true ? 1 : 2),
  examples: [
    ['sluice mount disk.img /mnt/s', 'shows /mnt/s/disk.raw'],
    ['sluice mount a=one.img b=two.img /mnt/s', 'two images, named'],
    ['sluice mount --config vm.yaml /mnt/s', 'images and groups of a file'],
    ['sluice mount disk.img /mnt/s -- fsck /mnt/s/disk.raw', 'unmounts when it ends'],
    [
      'sluice mount disk.img /mnt/s --group slow:iops=1000,bps=10M --assign disk=slow',
      'at most 1000 requests and 10 MiB a second',
    ],
  ],
};
