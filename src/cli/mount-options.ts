import type { Argv, Options } from 'yargs';
import { IMAGE_OPTIONS, type NamedFileArguments } from './image-commands.js';

/** Options of `sluice mount`. Each is described in docs/manual.md (a test compares). */
const MOUNT_OPTIONS = {
  group: {
    type: 'string',
    requiresArg: true,
    describe: 'PATH[:KEY=VALUE,...]: make a group, with limits, weight... (repeatable)',
  },
  assign: {
    type: 'string',
    requiresArg: true,
    describe: 'MEMBER=PATH: charge an image, or uid:, gid:, pid:, cgroup:, to a group (repeatable)',
  },
  'read-only': { type: 'boolean', describe: 'refuse writes' },
  ...IMAGE_OPTIONS,
  overlay: {
    type: 'string',
    requiresArg: true,
    describe: 'FILE: writes go to a new qcow2 over the image',
  },
  'metadata-cache': {
    type: 'string',
    requiresArg: true,
    describe: 'SIZE: bound of the memory for the tables of an image (default 16M)',
  },
  growable: { type: 'boolean', describe: 'let writes past the end and truncate change the size' },
  cache: {
    type: 'string',
    requiresArg: true,
    describe: 'none, or page: keep the kernel page cache (default none)',
  },
  direct: {
    type: 'boolean',
    describe: 'use O_DIRECT where the host file allows it (default); --no-direct: never',
  },
  depth: {
    type: 'string',
    requiresArg: true,
    describe: 'most requests in flight: auto or 1..4096 (default auto)',
  },
  transport: {
    type: 'string',
    requiresArg: true,
    describe: 'how to speak to the kernel: auto, uring or fuse-native (default auto)',
  },
  'poll-us': {
    type: 'string',
    requiresArg: true,
    describe: 'microseconds to spin for the next request (default 50)',
  },
  owner: {
    type: 'string',
    requiresArg: true,
    describe: 'USER[:GROUP]: who owns the image files (default: who mounts)',
  },
  mode: {
    type: 'string',
    requiresArg: true,
    describe: 'OCTAL: permission bits of the image files, such as 0660',
  },
  'allow-other': { type: 'boolean', describe: 'let other users use the mount' },
  foreground: { type: 'boolean', describe: 'stay in the foreground; log to stderr' },
  log: { type: 'string', requiresArg: true, describe: 'FILE: where the daemon logs' },
  verbose: { type: 'boolean', describe: 'log a line for each request; stacks of errors' },
  o: { type: 'string', requiresArg: true, describe: 'options in the style of fstab: ro,noatime' },
} as const satisfies Record<string, Options>;

/** What yargs hands over: one text, or a list where an option was given more than once. */
type Text = string | string[] | undefined;
type Flag = boolean | boolean[] | undefined;

/** Arguments of `sluice mount` as parsed, before any check. */
export interface MountArguments extends NamedFileArguments {
  paths: string[];
  group?: Text;
  assign?: Text;
  readOnly?: Flag;
  format?: Text;
  snapshot?: Text;
  overlay?: Text;
  metadataCache?: Text;
  growable?: Flag;
  cache?: Text;
  direct?: Flag;
  depth?: Text;
  transport?: Text;
  pollUs?: Text;
  owner?: Text;
  mode?: Text;
  allowOther?: Flag;
  foreground?: Flag;
  log?: Text;
  verbose?: Flag;
  o?: Text;
}

/** Declares the arguments of `sluice mount`. */
export function declareMount(yargs: Argv): Argv {
  return yargs
    .usage('sluice mount [NAME=]IMAGE... MOUNTPOINT [options]\n\nMount images as plain files.')
    .positional('paths', {
      type: 'string',
      array: true,
      describe: 'images, each shown as NAME.raw, and the mount point',
    })
    .options(MOUNT_OPTIONS)
    .example('sluice mount disk.img /mnt/s', 'shows /mnt/s/disk.raw')
    .example('sluice mount a=one.img b=two.img /mnt/s', 'two images, named')
    .example(
      'sluice mount disk.img /mnt/s --group slow:iops=1000,bps=10M --assign disk=slow',
      'at most 1000 requests and 10 MiB a second',
    );
}
