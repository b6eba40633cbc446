import type { Control } from '../control/control.js';
import { escapeName } from '../control/names.js';
import { formatFile } from '../control/text.js';
import { refuse } from '../util/errors.js';
import { formatDepth, formatPressure, formatStats } from './reports.js';
import { formatShared } from './shared-report.js';
import { formatPerGb } from './sized-report.js';
import { formatTimes } from './time-report.js';

/** One file that every group, or only the root group, has. */
export interface ControlFileRow {
  readonly name: string;
  readonly rootOnly: boolean;
  /** The content without the last newline; '' for an empty file. */
  readonly read: (control: Control, group: string) => string;
  /** It takes the settings of its name (settings.ts); otherwise it can only be read. */
  readonly isWritable: boolean;
  /** Only groups whose limits hosts share have it. */
  readonly sharedOnly?: boolean;
}

/** A file of settings. */
function settings(name: string, before = ''): ControlFileRow {
  return writable(name, (control, group) => before + formatFile(name, control.settings(group)));
}

function writable(name: string, read: ControlFileRow['read'], rootOnly = false): ControlFileRow {
  return { name, rootOnly, read, isWritable: true };
}

function report(name: string, read: ControlFileRow['read']): ControlFileRow {
  return { name, rootOnly: false, read, isWritable: false };
}

/** The files of `.groups`, in the order in which they are listed. */
export const CONTROL_FILES: readonly ControlFileRow[] = [
  settings('io.max'),
  writable('io.per_gb', (control, group) =>
    formatPerGb(control.settings(group), control.sized(group)),
  ),
  settings('io.burst'),
  settings('io.weight', 'default '),
  settings('io.min'),
  settings('io.latency'),
  report('io.stat', (control, group) => formatStats(control.figures(group)).join('\n')),
  report('io.times', (control, group) => formatTimes(control.times(group)).join('\n')),
  report('io.pressure', (control, group) => formatPressure(control.pressure(group))),
  {
    ...report('io.shared', (control, group) => formatShared(control.sharing(group)!)),
    sharedOnly: true,
  },
  writable('members', (control, group) => control.members(group).map(escapeName).join('\n')),
  writable('io.depth', (control) => formatDepth(control.mountSettings()), true),
  writable('io.cost', (control) => control.mountSettings().cost, true),
];

/** The files that show a group's figures and settings. */
export const STAT_FILES: readonly string[] = CONTROL_FILES.map(({ name }) => name).filter(
  (name) => name !== 'members',
);

/** Largest change. cgroup takes a page; long lists of members need more. */
const MAX_CHANGE_BYTES = 64 << 10;

/**
 * The text of one write(2) to a control file, without its last newline. Each write is a change of
 * its own, as in cgroup v2: a text in two writes is two changes, or two errors.
 *
 * @throws SluiceError EINVAL: longer than 64 KiB, no UTF-8, or with control characters in it.
 */
export function decodeChange(bytes: Uint8Array): string {
  if (bytes.length > MAX_CHANGE_BYTES) {
    throw refuse(`${bytes.length} bytes in one write; at most ${MAX_CHANGE_BYTES} are taken`);
  }
  const text = decodeUtf8(bytes);
  if (/[^\P{Cc}\n\t]/u.test(text)) throw refuse('control characters are no part of a setting');
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse('binary data; settings are text');
  }
}
