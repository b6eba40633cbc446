import { escapeName } from '../../control/names.js';
import { writeControlFiles } from '../../server/change-group.js';
import { PARTITIONS_FILE, readPartitions, unavailable } from '../../server/status.js';
import { EXIT_FAILED, EXIT_MOUNT, EXIT_USAGE, SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { JSON_OPTION } from '../image-commands.js';
import { formatPartitions, partitionsJson } from '../partition-report.js';
import { print } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice partitions MOUNTPOINT [NAME] [--json]\n\nRead partition tables again, and list the partitions that are shown.',
  operands: { mountpoint: 'where sluice is mounted', name: 'one image only' },
  options: JSON_OPTION,
  examples: [
    ['sluice partitions /mnt/s', 'of all images'],
    ['sluice partitions /mnt/s vm --json', 'of vm.raw, for programs'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const name = args.name === undefined ? null : String(args.name);
  const text = name === null ? '' : escapeName(name);
  const settings = [{ file: PARTITIONS_FILE, text }];
  const failure = await writeControlFiles({ mountpoint, group: '', change: null, settings });
  if (failure !== null && failure.reason !== '') {
    const exitCode = failure.errno === 'ENOENT' ? EXIT_USAGE : EXIT_FAILED;
    throw new SluiceError(failure.reason, failure.errno, exitCode);
  }
  const status = await readPartitions(mountpoint);
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  if (failure !== null) throw unread(mountpoint, failure.errno);
  const found = status.partitions.filter((one) => {
    return name === null || one.name.replace(/\.p[0-9]+$/, '') === name;
  });
  if (args.json === true) print(`${JSON.stringify(partitionsJson(found), null, 2)}\n`);
  else print(formatPartitions(found));
}

/** The error for tables that were not read again, for a reason that the daemon has not told. */
function unread(mountpoint: string, errno: string): SluiceError {
  const isForbidden = errno === 'EACCES' || errno === 'EPERM';
  const what = isForbidden
    ? 'only the user who mounted it, or root, may have tables read again; see .groups/partitions in it'
    : `tables were not read again (${errno})`;
  return new SluiceError(`${mountpoint}: ${what}`, errno, isForbidden ? EXIT_MOUNT : EXIT_FAILED);
}
