import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { knowsBackingFiles } from '../../src/fuse/backing-files.js';
import { loadNative } from '../../src/fuse/native-package.js';
import { ringQueueCount } from '../../src/fuse/ring-support.js';
import { atEnd } from './cleanup.js';
import { unmount, waitForFile } from './mounts.js';
import { type Child, isInstalled, settles, splitCommand, start, stop } from './process.js';
import { checkSluiceBuilt, mountSluice } from './sluice.js';

const PLAIN_NATIVE = fileURLToPath(new URL('../plain-fuse-native.js', import.meta.url));

/** A running server of one image. */
interface Running {
  /** The file to read and write. */
  file: string;
  /** The process that serves FUSE; null for the host file itself. */
  pid: number | null;
  /** Reads and writes that it has been asked for; missing: it does not count them. */
  requests?(): Promise<number>;
  stop(): Promise<void>;
}

/** A program that shows an image as a file. */
export interface Server {
  name: string;
  kind:
    | 'host'
    | 'sluice'
    | 'sluice-passed'
    | 'sluice-native'
    | 'sluice-fuse-uring'
    | 'plain-native'
    | 'qemu'
    | 'nbd'
    | 'nbd-memory'
    | 'sluice-nbd'
    | 'peer';
  /** Why it cannot run here, null when it can. */
  missing(): Promise<string | null>;
  /** Serves `image` of `size` bytes in a mount under `folder`; resolves once the file is there. */
  start(image: string, size: number, folder: string): Promise<Running>;
}

/** How to run a child process as a server. */
interface Launch {
  command: string[];
  folder: string;
  mountpoint: string;
  /** The mount point is a regular file, not a folder. */
  onFile: boolean;
  /** The file below the mount point, null to look for it, `.` for the mount point itself. */
  fileName: string | null;
  size: number;
  /**
   * How the server ends: at SIGTERM, with its mount, or with its mount and long after the command, which returns
   * when the mount is there.
   */
  ends: 'by signal' | 'by unmount' | 'after its command';
}

async function launch(how: Launch): Promise<Running> {
  let child: Child | null = null;
  let stopping: Promise<void> | null = null;
  const end = async (): Promise<void> => {
    if (child && how.ends === 'by signal') await stop(child);
    await unmount(how.mountpoint);
    if (child && !(await settles(child.exited, 5000))) await stop(child);
    await rm(how.mountpoint, { recursive: true, force: true });
  };
  const stopOnce = (): Promise<void> => {
    stopping ??= end().finally(forget);
    return stopping;
  };
  const forget = atEnd(stopOnce);
  try {
    await (how.onFile ? writeFile(how.mountpoint, '') : mkdir(how.mountpoint));
    child = await start(how.command[0], how.command.slice(1), how.folder);
    const watched = how.ends === 'after its command' ? null : child;
    const file = await waitForFile(how.mountpoint, how.fileName, how.size, watched);
    return { file, pid: watched?.pid ?? null, stop: stopOnce };
  } catch (error) {
    await stopOnce();
    throw error;
  }
}

async function missingProgram(...programs: string[]): Promise<string | null> {
  for (const program of programs) {
    if (!(await isInstalled(program))) return `${program} is not installed`;
  }
  return null;
}

/** The image itself without a server: the ceiling. */
export function hostFile(): Server {
  return {
    name: 'host file',
    kind: 'host',
    missing: async () => null,
    start: async (image) => ({ file: image, pid: null, stop: async () => {} }),
  };
}

/** Sluice with further mount options. */
export function sluice(options: readonly string[]): Server {
  return sluiceAs('sluice', 'sluice', options);
}

/** Sluice with the image passed through: the kernel reads and writes the file by itself. */
export function sluicePassthrough(options: readonly string[]): Server {
  const words = [...options, '--growable', '--passthrough', 'img'];
  const server = sluiceAs('sluice passthrough', 'sluice-passed', words);
  const isPossible = async (): Promise<string | null> => {
    if (process.getuid?.() !== 0) return 'only root can pass files through';
    return knowsBackingFiles() ? null : 'this kernel passes no files through';
  };
  return { ...server, missing: async () => (await server.missing()) ?? isPossible() };
}

/** Sluice in the mode for machines that forbid io_uring. */
export function sluiceNative(options: readonly string[]): Server {
  const words = [...options, '--transport', 'fuse-native'];
  return sluiceAs('sluice fuse-native', 'sluice-native', words);
}

/** Sluice with FUSE over io_uring. */
export function sluiceFuseUring(options: readonly string[]): Server {
  const words = [...options, '--transport', 'fuse-uring'];
  const server = sluiceAs('sluice fuse-uring', 'sluice-fuse-uring', words);
  return { ...server, missing: async () => (await server.missing()) ?? ringFault() };
}

function ringFault(): string | null {
  try {
    ringQueueCount();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A handler for fuse-native that uses synchronous calls. */
export function plainNative(): Server {
  return {
    name: 'plain fuse-native',
    kind: 'plain-native',
    missing: () =>
      loadNative().then(
        () => null,
        (error: Error) => error.message,
      ),
    start: (image, size, folder) => {
      const mountpoint = join(folder, 'plain');
      const command = [process.execPath, PLAIN_NATIVE, image, mountpoint];
      const inFolder = { onFile: false, fileName: 'img.raw', ends: 'by signal' as const };
      return launch({ command, folder, mountpoint, size, ...inFolder });
    },
  };
}

function sluiceAs(name: string, kind: Server['kind'], options: readonly string[]): Server {
  return {
    name,
    kind,
    missing: async () => {
      await checkSluiceBuilt();
      return null;
    },
    start: async (image, size, folder) => {
      const mount = await mountSluice(join(folder, 'sluice'), { img: image }, size, options);
      const { pid, stop, requests } = mount;
      return { file: mount.file('img'), pid, stop, requests };
    },
  };
}

/**
 * The FUSE export of qemu-storage-daemon, O_DIRECT on the image. `mode` is its aio mode (native,
 * io_uring, threads), with `+iothread` for an export in a thread of its own.
 */
export function qemuStorageDaemon(mode: string): Server {
  return storageDaemon(`qemu ${mode}`, mode, []);
}

/** The same for a qcow2 image, with `cacheBytes` for its tables. */
export function qemuQcow2(mode: string, cacheBytes: number): Server {
  const driver = `driver=qcow2,node-name=disk,file=image,cache-size=${cacheBytes}`;
  return storageDaemon(`qemu ${mode}`, mode, ['--blockdev', driver]);
}

/** @param above Options that put a node `disk` above the file, which is the node `image`. */
function storageDaemon(name: string, mode: string, above: readonly string[]): Server {
  const [aio, thread] = mode.split('+');
  const object = thread ? ['--object', 'iothread,id=io'] : [];
  const inThread = thread ? ',iothread=io' : '';
  // A comma in an option value is written twice.
  const value = (text: string): string => text.replaceAll(',', ',,');
  return {
    name,
    kind: 'qemu',
    missing: () => missingProgram('qemu-storage-daemon'),
    start: (image, size, folder) => {
      const mountpoint = join(folder, 'qemu.raw');
      const file = `driver=file,node-name=image,filename=${value(image)}`;
      const node = above.length > 0 ? 'disk' : 'image';
      const fuse = `type=fuse,id=export,node-name=${node},mountpoint=${value(mountpoint)}`;
      const command = [
        'qemu-storage-daemon',
        ...object,
        ...['--blockdev', `${file},cache.direct=on,aio=${aio}`],
        ...above,
        ...['--export', `${fuse},writable=on${inThread}`],
      ];
      const onFile = { onFile: true, fileName: '.', ends: 'by signal' as const };
      return launch({ command, folder, mountpoint, size, ...onFile });
    },
  };
}

/**
 * nbdfuse over nbdkit's file plugin, both with their defaults: other numbers of connections and threads
 * gained nothing. The plugin has no O_DIRECT, so its reads and writes go through the host's page cache.
 */
export function nbdFuse(): Server {
  return nbdFuseOver('nbdfuse', 'nbd', (image) => ['file', `file=${image}`]);
}

/** The same over nbdkit's memory plugin, which has a disk of the same size. */
export function nbdFuseMemory(): Server {
  return nbdFuseOver('nbdfuse memory', 'nbd-memory', inMemory);
}

/** Sluice over the same plugin, through a Unix socket. */
export function sluiceNbdMemory(options: readonly string[]): Server {
  return {
    name: 'sluice nbd memory',
    kind: 'sluice-nbd',
    missing: async () => {
      await checkSluiceBuilt();
      return missingProgram('nbdkit');
    },
    start: async (image, size, folder) => {
      const socket = join(folder, 'nbd.sock');
      const words = ['--exit-with-parent', '--foreground', '-U', socket];
      const nbdkit = await start('nbdkit', [...words, ...inMemory(image, size)], folder);
      while (nbdkit.isAlive() && !existsSync(socket)) await delay(10);
      const images = { img: `nbd+unix:///?socket=${socket}` };
      const mount = await mountSluice(join(folder, 'sluice'), images, size, options);
      const { pid, requests } = mount;
      const end = async (): Promise<void> => {
        await mount.stop();
        await stop(nbdkit);
        await rm(socket, { force: true });
      };
      return { file: mount.file('img'), pid, stop: end, requests };
    },
  };
}

function inMemory(_image: string, size: number): string[] {
  return ['memory', String(size)];
}

/** @param pluginOf Plugin and its words. */
function nbdFuseOver(
  name: string,
  kind: Server['kind'],
  pluginOf: (image: string, size: number) => string[],
): Server {
  return {
    name,
    kind,
    missing: () => missingProgram('nbdfuse', 'nbdkit'),
    start: (image, size, folder) => {
      const mountpoint = join(folder, 'nbd');
      const plugin = pluginOf(image, size);
      const nbdkit = ['nbdkit', '--exit-with-parent', '--foreground', ...plugin];
      const command = ['nbdfuse', join(mountpoint, 'img.raw'), '[', ...nbdkit, ']'];
      const inFolder = { onFile: false, fileName: 'img.raw', ends: 'by unmount' as const };
      return launch({ command, folder, mountpoint, size, ...inFolder });
    },
  };
}

/** xmount, as forensic examiners run it: read-only, in the background. */
export function xmount(): Server {
  return {
    name: 'xmount',
    kind: 'peer',
    missing: () => missingProgram('xmount'),
    start: (image, size, folder) => {
      const mountpoint = join(folder, 'xmount');
      const command = ['xmount', '--in', 'raw', image, '--out', 'raw', mountpoint];
      const fileName = `${basename(image, extname(image))}.dd`;
      const ends = 'after its command' as const;
      return launch({ command, folder, mountpoint, size, onFile: false, fileName, ends });
    },
  };
}

/** A server given as a command with {mountpoint} and {image}; `fileName` as in `Launch`. */
export function peer(name: string, command: string, fileName: string | null): Server {
  const words = splitCommand(command);
  return {
    name,
    kind: 'peer',
    missing: () => missingProgram(words[0]),
    start: (image, size, folder) => {
      const mountpoint = join(folder, 'peer');
      const filled = words.map((word) =>
        word.replaceAll('{mountpoint}', mountpoint).replaceAll('{image}', image),
      );
      const onFile = fileName === '.';
      const how = { command: filled, folder, mountpoint, onFile, fileName, size };
      return launch({ ...how, ends: 'by unmount' });
    },
  };
}
