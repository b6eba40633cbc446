import type { CommandModule } from './declaration.js';

/** A command as the help lists it. */
export interface Command {
  readonly name: string;
  /** Names of the operands. One in brackets is optional; one with `..` takes all remaining words. */
  readonly operands: string;
  readonly synopsis: string;
  readonly describe: string;
  /** Loads the command: loading all commands takes longer than running most of them. */
  readonly load: () => Promise<CommandModule>;
}

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'mount',
    operands: '[paths..]',
    synopsis: 'mount [NAME=]IMAGE... MOUNTPOINT',
    describe: 'show images as plain files',
    load: () => import('./commands/mount.js'),
  },
  {
    name: 'umount',
    operands: '<mountpoint>',
    synopsis: 'umount MOUNTPOINT',
    describe: 'flush, unmount, wait for the end',
    load: () => import('./commands/umount.js'),
  },
  {
    name: 'info',
    operands: '<image>',
    synopsis: 'info IMAGE [--json]',
    describe: 'format, sizes and problems',
    load: () => import('./commands/info.js'),
  },
  {
    name: 'map',
    operands: '<image>',
    synopsis: 'map IMAGE [--json]',
    describe: 'where the data of an image is',
    load: () => import('./commands/map.js'),
  },
  {
    name: 'stat',
    operands: '<mountpoint> [group]',
    synopsis: 'stat MOUNTPOINT [GROUP] [--callers] [--watch] [--json]',
    describe: 'figures of groups and members',
    load: () => import('./commands/stat.js'),
  },
  {
    name: 'top',
    operands: '<mountpoint>',
    synopsis: 'top MOUNTPOINT',
    describe: 'watch groups live, and change them',
    load: () => import('./commands/top.js'),
  },
  {
    name: 'set',
    operands: '<mountpoint> <group> [settings..]',
    synopsis: 'set MOUNTPOINT GROUP KEY=VALUE...',
    describe: 'change groups of a live mount',
    load: () => import('./commands/set.js'),
  },
  {
    name: 'partitions',
    operands: '<mountpoint> [name]',
    synopsis: 'partitions MOUNTPOINT [NAME] [--json]',
    describe: 'read partition tables again, list them',
    load: () => import('./commands/partitions.js'),
  },
  {
    name: 'list',
    operands: '',
    synopsis: 'list [--json]',
    describe: 'mounts, their images and daemons',
    load: () => import('./commands/list.js'),
  },
  {
    name: 'attach',
    operands: '<mountpoint> <image>',
    synopsis: 'attach MOUNTPOINT [NAME=]IMAGE',
    describe: 'add an image to a live mount',
    load: () => import('./commands/attach.js'),
  },
  {
    name: 'detach',
    operands: '<mountpoint> <name>',
    synopsis: 'detach MOUNTPOINT NAME',
    describe: 'flush an image and take it away',
    load: () => import('./commands/detach.js'),
  },
  {
    name: 'resize',
    operands: '<mountpoint> <name> [size]',
    synopsis: 'resize MOUNTPOINT NAME [SIZE]',
    describe: 'make an image longer, or see that it is',
    load: () => import('./commands/resize.js'),
  },
  {
    name: 'reload',
    operands: '<mountpoint>',
    synopsis: 'reload MOUNTPOINT',
    describe: 'read the configuration file again',
    load: () => import('./commands/reload.js'),
  },
  {
    name: 'save',
    operands: '<mountpoint>',
    synopsis: 'save MOUNTPOINT',
    describe: 'print the running configuration',
    load: () => import('./commands/save.js'),
  },
  {
    name: 'config',
    operands: '<action> [file]',
    synopsis: 'config check FILE',
    describe: 'check a configuration file',
    load: () => import('./commands/config.js'),
  },
  {
    name: 'doctor',
    operands: '',
    synopsis: 'doctor [--json]',
    describe: 'what this machine offers or lacks',
    load: () => import('./commands/doctor.js'),
  },
];
