import type { Control } from '../control/control.js';
import { escapeName } from '../control/names.js';
import type { Changes } from '../control/settings.js';
import { formatFile, parseFile } from '../control/text.js';
import { formatDepth, formatPressure, formatStats } from './reports.js';

/** One file that every group, or only the root group, has. */
export interface ControlFileRow {
  readonly name: string;
  readonly rootOnly: boolean;
  /** The content without the last newline; '' for an empty file. */
  readonly read: (control: Control, group: string) => string;
  /** Throws SluiceError EINVAL, ERANGE. Null for a file that can only be read. */
  readonly parse: ((text: string) => Changes) | null;
}

/** A file of settings. */
function settings(name: string, before = ''): ControlFileRow {
  const read: ControlFileRow['read'] = (control, group) =>
    before + formatFile(name, control.settings(group));
  return { name, rootOnly: false, read, parse: (text) => parseFile(name, text) };
}

/** The files of `.groups`, in the order in which they are listed. */
export const CONTROL_FILES: readonly ControlFileRow[] = [
  settings('io.max'),
  settings('io.burst'),
  settings('io.weight', 'default '),
  settings('io.min'),
  settings('io.latency'),
  {
    name: 'io.stat',
    rootOnly: false,
    read: (control, group) => formatStats(control.figures(group)).join('\n'),
    parse: null,
  },
  {
    name: 'io.pressure',
    rootOnly: false,
    read: (control, group) => formatPressure(control.pressure(group)),
    parse: null,
  },
  {
    name: 'members',
    rootOnly: false,
    read: (control, group) => control.members(group).map(escapeName).join('\n'),
    parse: (text) => parseFile('members', text),
  },
  {
    name: 'io.depth',
    rootOnly: true,
    read: (control) => formatDepth(control.mountSettings()),
    parse: (text) => parseFile('io.depth', text),
  },
  {
    name: 'io.cost',
    rootOnly: true,
    read: (control) => control.mountSettings().cost,
    parse: (text) => parseFile('io.cost', text),
  },
];

/** The files that show a group's figures and settings. */
export const STAT_FILES: readonly string[] = CONTROL_FILES.map(({ name }) => name).filter(
  (name) => name !== 'members',
);
