import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { eventually, isAlive, mountsAt } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { Child, type Ended, must, run, sluiceWords } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const nativeTest = requires('fuse', 'root');

const DENY = fileURLToPath(new URL('../fixtures/deny-io-uring-main.js', import.meta.url));

interface Mounted {
  point: string;
  image: string;
  ended: Ended;
  log: string;
  /** Lines of `.groups/daemon`. */
  daemon: string;
}

/** Mounts with another way of running node; the mount ends with the test. */
async function mountBy(
  t: ExecutionContext,
  before: readonly string[],
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Mounted> {
  const folder = tempFolder(t);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const log = join(folder, 'log');
  t.teardown(() => forceAway(point));
  const all = [...before, ...sluiceWords('mount', image, point, '--log', log, ...words)];
  const ended = await run(process.execPath, all, { env: { ...process.env, ...env } });
  const path = join(point, '.groups', 'daemon');
  const daemon = ended.code === 0 ? await must('cat', [path]) : '';
  return { point, image, ended, log: readFileSync(log, 'utf8'), daemon };
}

async function end(t: ExecutionContext, { point, daemon }: Mounted): Promise<void> {
  const pid = Number(/^pid (\d+)$/m.exec(daemon)?.[1]);
  const ended = await run(process.execPath, sluiceWords('umount', point));
  t.is(ended.code, 0, ended.stderr);
  t.deepEqual(mountsAt(point), []);
  t.true(await eventually(() => !isAlive(pid)));
}

nativeTest('auto takes fuse-native where io_uring is forbidden, and says so', async (t) => {
  const mounted = await mountBy(t, [DENY], []);
  t.is(mounted.ended.code, 0, mounted.ended.stderr);
  t.regex(
    mounted.ended.stderr,
    /^sluice: mount: transport fuse-native: io_uring: forbidden here, .*seccomp.*\n$/,
  );
  t.regex(mounted.log, /: transport fuse-native: io_uring: forbidden here/);
  t.regex(mounted.daemon, /^transport fuse-native$/m);
  await must('cmp', [mounted.image, join(mounted.point, 'disk.raw')]);
  await end(t, mounted);
});

nativeTest('uring where io_uring is forbidden is an error that says why', async (t) => {
  const { ended, point } = await mountBy(t, [DENY], ['--transport', 'uring']);
  t.is(ended.code, 4);
  t.regex(ended.stderr, /^sluice: mount: io_uring: forbidden here, .*\n$/);
  t.deepEqual(mountsAt(point), []);
});

nativeTest('passthrough where io_uring is forbidden is refused', async (t) => {
  const { ended, point } = await mountBy(t, [DENY], ['--growable', '--passthrough', 'disk']);
  t.is(ended.code, 4);
  t.regex(
    ended.stderr,
    /^sluice: mount: --passthrough disk: the transport here is fuse-native, .*\n$/,
  );
  t.deepEqual(mountsAt(point), []);
});

nativeTest('where neither transport works, both reasons are said', async (t) => {
  const env = { SLUICE_FUSE_NATIVE: '/nowhere/fuse-native' };
  const { ended } = await mountBy(t, [DENY], [], env);
  t.is(ended.code, 4);
  t.regex(ended.stderr, /^sluice: mount: io_uring: .*; fuse-native: cannot be loaded .*\n$/);
});

mountTest('auto takes the ring where it works, and does not load fuse-native', async (t) => {
  const mounted = await mountBy(t, [], []);
  t.is(mounted.ended.stderr, '');
  t.regex(mounted.log, /: transport uring: io_uring works here/);
  const pid = /^pid (\d+)$/m.exec(mounted.daemon)?.[1];
  t.notRegex(readFileSync(`/proc/${pid}/maps`, 'utf8'), /fuse/);
  await end(t, mounted);
});

mountTest('a machine where fuse-native cannot be loaded mounts by the ring', async (t) => {
  const mounted = await mountBy(t, [], [], { SLUICE_FUSE_NATIVE: '/nowhere/fuse-native' });
  t.is(mounted.ended.code, 0, mounted.ended.stderr);
  t.regex(mounted.daemon, /^transport uring$/m);
  await end(t, mounted);
});

nativeTest('SIGTERM ends a daemon of fuse-native in the foreground with code 0', async (t) => {
  const folder = tempFolder(t);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  t.teardown(() => forceAway(point));
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const words = ['mount', image, point, '--foreground', '--transport', 'fuse-native'];
  const daemon = new Child(process.execPath, sluiceWords(...words));
  await daemon.line(/ is ready\n/);
  await must('cmp', [image, join(point, 'disk.raw')]);
  daemon.process.kill('SIGTERM');
  const ended = await daemon.within();
  t.deepEqual([ended.code, ended.timedOut], [0, false]);
  t.deepEqual(mountsAt(point), []);
});

const NO_RULES =
  'fuse-native does not tell who calls, so no rule about callers can be kept; mount with --transport uring';

nativeTest('fuse-native refuses rules about callers, at the mount and later', async (t) => {
  const native = ['--transport', 'fuse-native', '--group', 'a'];
  const refused = await mountBy(t, [], [...native, '--assign', 'uid:0=a']);
  t.is(refused.ended.code, 2);
  t.is(refused.ended.stderr, `sluice: mount: --assign uid:0=a: uid:0: ${NO_RULES}\n`);
  t.deepEqual(mountsAt(refused.point), []);
  const denied = await mountBy(t, [DENY], ['--group', 'a:member=gid:root']);
  t.is(denied.ended.code, 2, 'where auto has to take fuse-native too');
  t.true(denied.ended.stderr.includes(`gid:0: ${NO_RULES}`), denied.ended.stderr);
  const mounted = await mountBy(t, [], native);
  const members = join(mounted.point, '.groups', 'a', 'members');
  const written = await run('sh', ['-c', `printf pid:1 | tee ${members}`]);
  t.regex(written.stderr, /Operation not supported/);
  const set = await run(process.execPath, sluiceWords('set', mounted.point, 'a', 'member=uid:0'));
  t.is(set.code === 0, false);
  t.true(set.stderr.includes(NO_RULES), set.stderr);
  t.is(await must('cat', [members]), '');
  await end(t, mounted);
});
