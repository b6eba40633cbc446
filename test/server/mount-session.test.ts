import { openSync } from 'node:fs';
import test from 'ava';
import type { FuseMount } from '../../src/fuse/mount.js';
import type { Log } from '../../src/server/log.js';
import { MountSession } from '../../src/server/mount-session.js';
import { PlaneThread } from '../../src/server/plane-thread.js';
import { mountConfig } from '../helpers/mount-config.js';

const CONFIG = mountConfig({ transport: 'uring', foreground: true });

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** A mount that records how it was unmounted. */
class FakeMount implements FuseMount {
  readonly fd = openSync('/dev/null', 'r');
  readonly unmounts: boolean[] = [];

  async unmount(lazy: boolean): Promise<void> {
    this.unmounts.push(lazy);
  }
}

test.serial('a data plane that dies at its start leaves no mount and says why', async (t) => {
  const mount = new FakeMount();
  // The descriptor is not open: the ring refuses to register it, and the thread throws.
  const thread = new PlaneThread(CONFIG, [], 1_000_000, '', SILENT);
  const session = new MountSession(mount, thread, SILENT);
  const error = await t.throwsAsync(session.ready);
  t.regex(error.message, /^the data plane did not start: .*file registration failed with -9/s);
  t.deepEqual(await session.ended.then(({ kind }) => kind), 'crashed');
  t.deepEqual(mount.unmounts, [true]);
});

test.serial('a session that the kernel ends at once was unmounted, not crashed', async (t) => {
  const mount = new FakeMount();
  // Reading /dev/null returns end of file, which stands for "no session" here.
  const thread = new PlaneThread(CONFIG, [], openSync('/dev/null', 'r'), '', SILENT);
  const session = new MountSession(mount, thread, SILENT);
  await t.throwsAsync(session.ready, { message: /unmounted before it was ready/ });
  t.deepEqual(await session.ended, { kind: 'unmounted', unflushed: [] });
});
