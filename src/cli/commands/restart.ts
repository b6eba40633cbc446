import { askMount } from '../../server/api-client.js';
import type { HandedOver } from '../../server/hand-over.js';
import { readStatus, unavailable } from '../../server/status.js';
import { EXIT_FAILED, SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { print, progress } from '../terminal.js';
import { workingDirectory } from '../working-directory.js';

/** The new daemon loads, and requests of before end: each has a limit of its own. */
const LIMIT_MS = 90_000;

export const declaration: Declaration = {
  usage:
    'sluice restart MOUNTPOINT\n\nLet a new daemon, of the program that is installed now, go on with a mount. Open files stay open, no request fails, and groups owe what they owed. If it cannot go on, the old one does. Needs Linux 6.9 and the transport uring; not every format that is written can go on so.',
  operands: { mountpoint: 'where sluice is mounted' },
  options: {},
  examples: [['sluice restart /mnt/s', 'after a new version was installed']],
};

export async function handler(args: Arguments): Promise<void> {
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const waiting = progress(`sluice: restart: ${mountpoint}: waiting for the daemons`);
  try {
    const asked = { method: 'POST', path: '/v1/restart', limitMs: LIMIT_MS, isRepeatable: true };
    const done = await askMount<HandedOver>(mountpoint, asked);
    if (done === null) throw await withoutSocket(mountpoint);
    print(`pid ${done.pid} serves ${mountpoint}; requests waited for ${done.stallMs} ms\n`);
  } finally {
    waiting.end();
  }
}

async function withoutSocket(mountpoint: string): Promise<SluiceError> {
  const { kind } = await readStatus(mountpoint);
  if (kind !== 'alive') return unavailable(mountpoint, kind);
  const what = 'its daemon has no socket for this user; see docs/api.md';
  return new SluiceError(`${mountpoint}: ${what}`, 'EACCES', EXIT_FAILED);
}
