import { ourMount } from '../../fuse/mount-point.js';
import { overlayFormat } from '../../image/formats.js';
import { isNbdUri } from '../../nbd/uri.js';
import { OVERLAY_ACTIONS, type OverlayAction } from '../../server/config.js';
import type { Log } from '../../server/log.js';
import { carryOut } from '../../server/order-images.js';
import { refuse } from '../../util/errors.js';
import type { Arguments, Declaration, Given } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { IMAGE_OPTIONS, parseChainOptions } from '../image-commands.js';
import { note, progress, progressNotes } from '../terminal.js';
import { absolutePath, workingDirectory } from '../working-directory.js';

const { snapshot: _, ...FILE_OPTIONS } = IMAGE_OPTIONS;

export const declaration: Declaration = {
  usage:
    'sluice overlay commit|reset MOUNTPOINT NAME\n       sluice overlay commit|reset FILE [options]\n\nWrite what an overlay has into the image below it, or drop it. The overlay is empty then.',
  operands: {
    action: 'commit: into the image below; reset: drop it',
    place: 'where sluice is mounted, or an overlay that nobody uses',
    name: 'the image of the mount, without .raw',
  },
  operandWords: { action: OVERLAY_ACTIONS },
  options: FILE_OPTIONS,
  examples: [
    ['sluice overlay commit /mnt/s vm', 'the writes to vm.raw go into the image below its overlay'],
    ['sluice overlay reset /mnt/s vm', 'vm.raw is as it was without them'],
    [`sluice overlay commit changes.${overlayFormat().name}`, 'an overlay that is not mounted'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const { name, place } = args;
  const action = OVERLAY_ACTIONS.find((one) => one === args.action);
  if (action === undefined) {
    throw refuse(`${args.action}: expected sluice overlay commit, or sluice overlay reset`);
  }
  if (typeof name !== 'string') return changeFile(action, String(place), args);
  const option = Object.keys(FILE_OPTIONS).find((one) => args[one] !== undefined);
  if (option !== undefined) {
    throw refuse(`--${option}: is for an overlay that is not mounted; leave it out`);
  }
  const mountpoint = findMountpoint(String(place), workingDirectory());
  const waiting = progress(`sluice: overlay: ${name}: waiting for the daemon to ${action} it`);
  try {
    const warnings = await carryOut(mountpoint, { kind: 'overlay', name, action });
    for (const warning of warnings) warn(warning);
  } finally {
    waiting.end();
  }
}

async function changeFile(action: OverlayAction, file: string, args: Arguments): Promise<void> {
  if (isNbdUri(file)) throw refuse(`${file}: an overlay is a file of this machine`);
  const path = absolutePath('the overlay', file, workingDirectory());
  if (ourMount(path) !== null) {
    throw refuse(
      `${file}: sluice is mounted there; name the image: sluice overlay ${action} ${file} NAME`,
    );
  }
  const options = parseChainOptions(args as Given<typeof IMAGE_OPTIONS>, workingDirectory());
  // Loaded only here: a mount does this by itself.
  const { changeOverlay } = await import('../../server/change-overlay.js');
  const log: Log = {
    ...{ info: () => {}, warn, error: warn },
    progress: progressNotes('sluice: overlay: '),
  };
  await changeOverlay({ ...options, action, path }, log, warn);
}

function warn(text: string): void {
  note(`sluice: overlay: ${text}`);
}
