import { openSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { FuseMount } from '../../src/fuse/mount.js';
import type { Log } from '../../src/server/log.js';
import { MountSession } from '../../src/server/mount-session.js';
import { PlaneThread, PlaneWorker } from '../../src/server/plane-thread.js';
import { runDaemon } from '../../src/server/run.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';

const CONFIG = mountConfig({ transport: 'uring', foreground: true });

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

const ORDERS = { obey: async () => {} };

/** Runs a daemon over a "mount" whose descriptor is `fuse`, and notes what becomes of it. */
async function serve(
  t: ExecutionContext,
  fuse: number,
  worker = new PlaneWorker(),
): Promise<{ error: SluiceError; steps: string[] }> {
  const steps: string[] = [];
  const mount: FuseMount = {
    fd: openSync('/dev/null', 'r'),
    device: '0:1',
    byFusermount: false,
    unmount: async (lazy) => void steps.push(lazy ? 'detach' : 'unmount'),
  };
  const files = {
    disks: [],
    unlock: async () => void steps.push('files unlocked'),
    unlockOwn: () => void steps.push('own locks gone'),
    close: () => void steps.push('files closed'),
  };
  const running = runDaemon(
    CONFIG,
    SILENT,
    async (_config, log, { tell, mounted }) => {
      const plane = new PlaneThread(worker, CONFIG, [], { fuse, queues: 0 }, '', log, tell);
      mounted(new MountSession(mount, plane, files, log, ORDERS));
    },
    () => t.fail(),
  );
  return { error: (await t.throwsAsync(running, { instanceOf: SluiceError }))!, steps };
}

test.serial('a data plane that dies at its start leaves no mount and says why', async (t) => {
  // The descriptor is not open: the ring refuses to register it, and the thread throws.
  const { error, steps } = await serve(t, 1_000_000);
  t.regex(error.message, /^the data plane did not start: .*file update failed with -9/s);
  t.is(error.exitCode, 4);
  t.deepEqual(steps, ['detach', 'files closed']);
});

test.serial('a thread that could not be started leaves no mount and says why', async (t) => {
  const worker = new PlaneWorker();
  // So Node.js tells of it, long before there is a mount.
  worker.worker.emit('error', new Error('Worker initialization failure: EMFILE'));
  await worker.worker.terminate();
  const { error, steps } = await serve(t, openSync('/dev/null', 'r'), worker);
  t.is(error.message, 'the data plane did not start: Worker initialization failure: EMFILE');
  t.is(error.exitCode, 4);
  t.deepEqual(steps, ['detach', 'files closed']);
});

test.serial('a session that the kernel ends at once was unmounted, not crashed', async (t) => {
  // Reading /dev/null returns end of file, which stands for "no session" here.
  const { error, steps } = await serve(t, openSync('/dev/null', 'r'));
  t.regex(error.message, /unmounted before it was ready/);
  t.deepEqual(steps, ['detach', 'files unlocked', 'files closed']);
});

test('a mount that is in use is detached, and the log says who notices', async (t) => {
  const steps: string[] = [];
  const warnings: string[] = [];
  const mount: FuseMount = {
    fd: -1,
    device: '0:1',
    byFusermount: false,
    unmount: async (lazy) => {
      steps.push(lazy ? 'detach' : 'unmount');
      if (!lazy) throw new Error('/mnt/s: in use');
    },
  };
  const log = { ...SILENT, warn: (text: string) => void warnings.push(text) };
  const release = (): void => t.fail('its users keep their limits');
  const session = new MountSession(
    mount,
    { release } as never,
    {
      disks: [{ name: 'disk' }, { name: 'fast', backing: 9 }] as never,
      unlock: async () => {},
      unlockOwn: () => {},
      close: () => {},
    },
    log,
    ORDERS,
  );
  await session.unmount();
  t.deepEqual(steps, ['unmount', 'detach']);
  t.deepEqual(warnings, [
    '/mnt/s: in use; files that are open see ENOTCONN from now on, but who has fast open goes on with its file',
  ]);
});

test('a mount that cannot be detached is told of once, and everything else is ended', async (t) => {
  const steps: string[] = [];
  const mount: FuseMount = {
    fd: -1,
    device: '0:1',
    byFusermount: false,
    unmount: () => Promise.reject(new Error('/mnt/s: no right')),
  };
  const log = { ...SILENT, warn: (text: string) => void steps.push(text) };
  const plane = { release: () => {}, terminate: async () => void steps.push('ended') };
  const files = {
    disks: [],
    unlock: async () => void steps.push('files unlocked'),
    unlockOwn: () => void steps.push('own locks gone'),
    close: () => void steps.push('files closed'),
  };
  const session = new MountSession(mount, plane as never, files, log, ORDERS);
  await session.unmount();
  await session.close(false);
  t.deepEqual(steps, [
    '/mnt/s: no right; files that are open see ENOTCONN from now on',
    '/mnt/s: no right; it stays as a dead mount: umount it later',
    'ended',
    'files closed',
  ]);
});

test('an end at once and one in order detach together', async (t) => {
  const steps: string[] = [];
  const detached: (() => void)[] = [];
  const mount: FuseMount = {
    fd: -1,
    device: '0:1',
    byFusermount: false,
    unmount: async (lazy) => {
      steps.push(lazy ? 'detach' : 'unmount');
      if (!lazy) throw new Error('/mnt/s: in use');
      await new Promise<void>((resolve) => detached.push(resolve));
    },
  };
  const plane = { release: () => {}, terminate: async () => void steps.push('ended') };
  const session = new MountSession(
    mount,
    plane as never,
    { disks: [], unlock: async () => {}, unlockOwn: () => {}, close: () => {} },
    SILENT,
    ORDERS,
  );
  const both = [session.unmount(), session.close(false)];
  await new Promise(setImmediate);
  for (const resolve of detached) resolve();
  await Promise.all(both);
  t.deepEqual(steps, ['unmount', 'detach', 'ended']);
});

test('who may have requests under way does not unlock the images', async (t) => {
  for (const isQuiet of [true, false]) {
    const steps: string[] = [];
    const mount: FuseMount = {
      fd: -1,
      device: '0:1',
      byFusermount: false,
      unmount: async () => {},
    };
    const plane = { terminate: async () => void steps.push('ended') };
    const files = {
      disks: [],
      unlock: async () => void steps.push('files unlocked'),
      unlockOwn: () => void steps.push('own locks gone'),
      close: () => void steps.push('files closed'),
    };
    await new MountSession(mount, plane as never, files, SILENT, ORDERS).close(isQuiet);
    t.deepEqual(steps, ['ended', ...(isQuiet ? ['files unlocked'] : []), 'files closed']);
  }
});

test('what is let go stays mounted', async (t) => {
  const steps: string[] = [];
  const mount: FuseMount = {
    fd: -1,
    device: '0:1',
    byFusermount: false,
    unmount: async () => t.fail(),
  };
  const plane = { terminate: async () => void steps.push('ended') };
  const files = {
    disks: [],
    unlock: async () => void steps.push('files unlocked'),
    unlockOwn: () => void steps.push('own locks gone'),
    close: () => void steps.push('files closed'),
  };
  await new MountSession(mount, plane as never, files, SILENT, ORDERS).letGo();
  t.deepEqual(steps, ['ended', 'own locks gone', 'files closed']);
});

test('a reload is an order, and the log says how it came out', async (t) => {
  const lines: string[] = [];
  const log: Log = {
    info: (text) => lines.push(text),
    warn: (text) => lines.push(`warning: ${text}`),
    error: (text) => lines.push(`error: ${text}`),
  };
  const obey = async (order: object, warn: (text: string) => void): Promise<void> => {
    t.deepEqual(order, { kind: 'reload' });
    warn('--depth 32 wins');
    throw new Error('vm.yaml:1:1: the file is empty');
  };
  await new MountSession({} as never, {} as never, {} as never, log, { obey }).reload();
  t.deepEqual(lines, [
    'warning: --depth 32 wins',
    'error: not reloaded: vm.yaml:1:1: the file is empty',
  ]);
});
