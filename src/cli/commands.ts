import type { ArgumentsCamelCase, Argv } from 'yargs';

/** What a command does: its options for yargs, and itself. */
export interface CommandModule {
  builder(yargs: Argv): Argv;
  handler(args: ArgumentsCamelCase): Promise<void>;
}

/** A command as the help lists it. */
export interface Command {
  /** The operands, as yargs writes them. */
  readonly command: string;
  readonly synopsis: string;
  readonly describe: string;
  /** Loads the command; what it needs of the rest takes longer than most commands do. */
  readonly load: () => Promise<CommandModule>;
}

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    command: 'mount <paths..>',
    synopsis: 'mount [NAME=]IMAGE... MOUNTPOINT',
    describe: 'show images as plain files',
    load: () => import('./commands/mount.js'),
  },
  {
    command: 'umount <mountpoint>',
    synopsis: 'umount MOUNTPOINT',
    describe: 'flush, unmount, wait for the end',
    load: () => import('./commands/umount.js'),
  },
  {
    command: 'info <image>',
    synopsis: 'info IMAGE [--json]',
    describe: 'format, sizes and problems',
    load: () => import('./commands/info.js'),
  },
  {
    command: 'map <image>',
    synopsis: 'map IMAGE [--json]',
    describe: 'where the data of an image is',
    load: () => import('./commands/map.js'),
  },
  {
    command: 'stat <mountpoint> [group]',
    synopsis: 'stat MOUNTPOINT [GROUP] [--json]',
    describe: 'figures of groups and members',
    load: () => import('./commands/stat.js'),
  },
  {
    command: 'set <mountpoint> <group> [settings..]',
    synopsis: 'set MOUNTPOINT GROUP KEY=VALUE...',
    describe: 'change groups of a live mount',
    load: () => import('./commands/set.js'),
  },
  {
    command: 'doctor',
    synopsis: 'doctor [--json]',
    describe: 'what this machine offers or lacks',
    load: () => import('./commands/doctor.js'),
  },
];
