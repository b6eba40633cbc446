import { outcomeOf } from '../lib/process.js';
import type { Mounted } from '../torture/mounted.js';

/** How the mounts of the soak end. */
export interface Ending {
  name: string;
  /** The calls are over before it begins. */
  isQuiet: boolean;
  /** What was not synced may be lost. */
  isKill: boolean;
  /** Exit codes of the daemon; null: a signal. */
  codes: readonly (number | null)[];
  strike(mounted: Mounted): unknown;
}

export const ENDINGS: readonly Ending[] = [
  {
    name: 'umount',
    isQuiet: true,
    isKill: false,
    codes: [0],
    strike: (mounted) => mounted.finish(),
  },
  {
    name: 'SIGTERM',
    isQuiet: false,
    isKill: false,
    codes: [0],
    strike: (mounted) => mounted.signal('SIGTERM'),
  },
  {
    name: 'umount --force',
    isQuiet: false,
    isKill: false,
    codes: [0],
    strike: (mounted) => mounted.umount('--force'),
  },
  {
    name: 'umount(8) -f',
    isQuiet: false,
    isKill: false,
    codes: [0],
    strike: ({ point }) => outcomeOf('umount', ['-i', '-f', point]),
  },
  {
    name: 'SIGQUIT',
    isQuiet: false,
    isKill: true,
    codes: [5],
    strike: (mounted) => mounted.signal('SIGQUIT'),
  },
  {
    name: 'SIGKILL',
    isQuiet: false,
    isKill: true,
    codes: [null],
    strike: (mounted) => mounted.signal('SIGKILL'),
  },
];
