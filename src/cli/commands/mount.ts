import { checkMountpoint, checkMountRights } from '../../fuse/mount-point.js';
import type { MountConfig } from '../../server/config.js';
import { launch } from '../../server/launch.js';
import { type Log, logOf } from '../../server/log.js';
import { EXIT_OK, refuse } from '../../util/errors.js';
import type { Arguments } from '../declaration.js';
import { buildMountConfig } from '../mount-config.js';
import type { MountArguments } from '../mount-options.js';
import { checkPassthrough } from '../passthrough-option.js';
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
  const log: Log = { ...logOf(config), progress: progressNotes('sluice: mount: ') };
  // Loaded only here: a mount in the background loads it in the daemon.
  const { runDaemon } = await import('../../server/run.js');
  const { serve } = await import('../../server/serve.js');
  await runDaemon(config, log, serve, ({ notice }) => {
    mounted();
    if (notice !== undefined) note(`sluice: mount: ${notice}`);
    announce(`sluice: mount: ${config.mountpoint} is ready\n`);
  });
}

/** Serves in a daemon, which is ready when this returns. */
async function runDetached(
  config: MountConfig,
  prepare: () => Promise<MountConfig>,
  mounted: () => void,
): Promise<void> {
  const progress = progressNotes('sluice: mount: ');
  const notice = await launch(config, undefined, undefined, progress, prepare);
  mounted();
  if (notice !== undefined) note(`sluice: mount: ${notice}`);
}

/** The mount that the command line asks for, with the file that it names. */
async function askedFor(words: MountArguments, directory: string): Promise<MountConfig> {
  if (words.config === undefined) return buildMountConfig(words, directory);
  // Loaded only here: YAML and its schema take longer than all else of a mount.
  const { readConfigFile } = await import('../config-file.js');
  const file = readConfigFile(absolutePath('--config', words.config, directory));
  return buildMountConfig(words, directory, file, (text) => note(`sluice: mount: ${text}`));
}

/** The kernel says that a daemon is gone when its ring has let go of the mount: under load some time after its end. */
const DEATH_LIMIT_MS = 60_000;

/** A service that was killed is started again where its mount still stands: nobody is there to remove that by hand. */
async function removeDeadMount(mountpoint: string): Promise<void> {
  const { detachIfDead } = await import('../../server/status.js');
  if (await detachIfDead(mountpoint, DEATH_LIMIT_MS)) {
    note(
      `sluice: mount: ${mountpoint}: the daemon before was gone; its dead mount has been removed`,
    );
  }
}

async function prepareCommand(
  command: readonly string[],
): Promise<(mountpoint: string) => Promise<number>> {
  const { CommandSignals, runDuring } = await import('../during-mount.js');
  const signals = new CommandSignals();
  return (mountpoint) => runDuring(command, mountpoint, signals);
}

export async function handler(args: Arguments): Promise<number> {
  const words = args as unknown as MountArguments;
  const { command } = words;
  if (command !== undefined && words.foreground === true) {
    throw refuse('--foreground: sluice waits for a command after -- anyway; leave one out');
  }
  // Before the mount: from then on no signal may end this process without the mount.
  const run = command === undefined ? null : await prepareCommand(command);
  const directory = workingDirectory();
  const asked = await askedFor(words, directory);
  const uid = process.geteuid!();
  checkMountRights(uid, process.env.PATH);
  checkPassthrough(asked, uid === 0);
  if (process.env.NOTIFY_SOCKET !== undefined) await removeDeadMount(asked.mountpoint);
  const config = { ...asked, mountpoint: checkMountpoint(asked.mountpoint) };
  let discard = (): void => {};
  const prepare = async (): Promise<MountConfig> => {
    // Loaded only here: a daemon loads its program meanwhile.
    const { addOverlays } = await import('../../server/overlay.js');
    const { checkImages } = await import('../../server/check-images.js');
    const overlaid = addOverlays(config);
    discard = overlaid.discard;
    checkImages(overlaid.config, (text) => note(`sluice: mount: ${text}`));
    return overlaid.config;
  };
  const mounted = (): void => {
    // From now on the overlay may have data.
    discard = () => {};
  };
  try {
    if (config.foreground) await runHere(await prepare(), mounted);
    else await runDetached(config, prepare, mounted);
  } catch (error) {
    discard();
    throw error;
  }
  return run === null ? EXIT_OK : run(config.mountpoint);
}
