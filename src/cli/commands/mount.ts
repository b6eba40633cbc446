import { checkImages } from '../../server/check-images.js';
import type { MountConfig } from '../../server/config.js';
import { launch } from '../../server/launch.js';
import { fileLog, type Log, stderrLog } from '../../server/log.js';
import { addOverlay } from '../../server/overlay.js';
import { runDaemon } from '../../server/run.js';
import { checkMountpoint, checkMountRights } from '../check-mountpoint.js';
import type { Arguments } from '../declaration.js';
import { buildMountConfig } from '../mount-config.js';
import type { MountArguments } from '../mount-options.js';
import { oneText } from '../option-values.js';
import { note, OutputClosed, print, progressNotes } from '../terminal.js';
import { absolutePath, workingDirectory } from '../working-directory.js';

export { MOUNT as declaration } from '../mount-options.js';

/** Prints a text. The mount goes on if that fails. */
function announce(text: string): void {
  try {
    print(text);
  } catch (error) {
    if (!(error instanceof OutputClosed)) note(`sluice: mount: ${(error as Error).message}`);
  }
}

/** Serves in this process until the mount ends. */
async function runHere(config: MountConfig, mounted: () => void): Promise<void> {
  const place =
    config.logFile === null
      ? stderrLog(config.mountpoint)
      : fileLog(config.logFile, config.mountpoint);
  const log: Log = { ...place, progress: progressNotes('sluice: mount: ') };
  // Loaded only here: a mount in the background loads it in the daemon.
  const { serve } = await import('../../server/serve.js');
  await runDaemon(config, log, serve, ({ notice }) => {
    mounted();
    if (notice !== undefined) note(`sluice: mount: ${notice}`);
    announce(`sluice: mount: ${config.mountpoint} is ready\n`);
  });
}

async function mount(asked: MountConfig, mounted: () => void): Promise<void> {
  checkImages(asked, (text) => note(`sluice: mount: ${text}`));
  await checkMountRights({ uid: process.geteuid?.() ?? 0, path: process.env.PATH ?? '' });
  const config = { ...asked, mountpoint: await checkMountpoint(asked.mountpoint) };
  if (config.foreground) return runHere(config, mounted);
  const progress = progressNotes('sluice: mount: ');
  const notice = await launch(config, undefined, undefined, progress);
  mounted();
  if (notice !== undefined) note(`sluice: mount: ${notice}`);
}

function overlayPath({ overlay }: MountArguments): string | null {
  if (overlay === undefined) return null;
  return absolutePath('--overlay', oneText('--overlay', overlay, ''), workingDirectory());
}

export async function handler(args: Arguments): Promise<void> {
  const words = args as unknown as MountArguments;
  const plain = buildMountConfig(words, { directory: workingDirectory() });
  const overlay = addOverlay(plain, overlayPath(words));
  let isMounted = false;
  try {
    await mount(overlay.config, () => {
      isMounted = true;
    });
  } catch (error) {
    // Nothing has been written to the overlay: the mount was never ready.
    if (!isMounted) overlay.discard();
    throw error;
  }
}
