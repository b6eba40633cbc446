import { readText } from '../sys/files.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';

/** The switch of the module, for all mounts that are made while it is on. */
export const RING_PARAMETER = '/sys/module/fuse/parameters/enable_uring';
/** The queues share 1260 to 1960 entries, so that each of 8 has at least 157: a mount serves a hundred requests at a time. */
const QUEUES_MOST = 8;

const POSSIBLE = '/sys/devices/system/cpu/possible';

/** Whether the kernel offers FUSE over io_uring; null: it has none. */
export function ringSwitch(): 'on' | 'off' | null {
  const value = readText(RING_PARAMETER)?.trim();
  if (value === undefined) return null;
  return value === 'Y' ? 'on' : 'off';
}

/** What turns it on. */
export const RING_SWITCH_COMMAND = `echo Y > ${RING_PARAMETER}`;

/**
 * The queues of FUSE over io_uring: one for each possible processor.
 *
 * @throws SluiceError ENOSYS or EOPNOTSUPP, exit code 4, where the kernel does not offer it, or where there
 *   are too many
 */
export function ringQueueCount(state = ringSwitch(), possible = readText(POSSIBLE)): number {
  const what = 'FUSE over io_uring';
  if (state === null) {
    const needs = 'Linux 6.14 or newer with CONFIG_FUSE_IO_URING is needed, and its module fuse';
    throw new SluiceError(`this kernel has no ${what}; ${needs}`, 'ENOSYS', EXIT_MOUNT);
  }
  if (state === 'off') {
    const message = `${what} is turned off; as root, run \`${RING_SWITCH_COMMAND}\``;
    throw new SluiceError(message, 'EOPNOTSUPP', EXIT_MOUNT);
  }
  const count = countOf(possible ?? '');
  if (count <= QUEUES_MOST) return count;
  const most = `it is for machines that can have up to ${QUEUES_MOST} processors, this one ${count}`;
  throw new SluiceError(`${what}: ${most}; use --transport uring`, 'EOPNOTSUPP', EXIT_MOUNT);
}

/** The numbers in a list such as `0-3,6`. */
function countOf(list: string): number {
  let count = 0;
  for (const range of list.trim().split(',')) {
    const [first = 0, last = first] = range.split('-').map(Number);
    count += last - first + 1;
  }
  return count;
}
