import { execFile, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import koffi from 'koffi';
import { type FuseMount, mountFuse } from '../../src/fuse/mount.js';
import { SluiceError } from '../../src/util/errors.js';
import { ownNamespace } from '../helpers/namespace.js';

// No daemon answers here: INIT stays unread, and every access to a mount would wait for ever. umount(8)
// calls stat(2) on the mount; therefore these tests use plain system calls.
const run = promisify(execFile);
const libc = koffi.load('libc.so.6');
const fcntl = libc.func('int fcntl(int fd, int command, int argument)');
const open = libc.func('int open(const char *path, int flags, int mode)');
const mountCall = libc.func(
  'int mount(const char *source, const char *target, const char *type, ulong flags, void *data)',
);
const umount2 = libc.func('int umount2(const char *target, int flags)');
const MNT_DETACH = 2;
const NOBODY = 65534;
const USER = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const MOUNT_URL = new URL('../../src/fuse/mount.js', import.meta.url).href;
const O_NONBLOCK = 0o4000;

const isRoot = process.geteuid?.() === 0;
const asRoot = pick(rootProblem());
const asUser = pick(rootProblem() ?? userProblem());

function pick(problem: string | null): typeof test | typeof test.skip {
  if (problem === null) return test.serial;
  console.log(`mount tests are skipped: ${problem}`);
  return test.skip;
}

function rootProblem(): string | null {
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (!isRoot) return 'they need root, also to become another user';
  const caps = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const sysAdmin = (BigInt(`0x${caps?.[1] ?? 0}`) >> 21n) & 1n;
  return sysAdmin === 1n ? null : 'root may not mount here (no CAP_SYS_ADMIN)';
}

function userProblem(): string | null {
  const path = fileURLToPath(MOUNT_URL);
  const args = [...USER, 'sh', '-c', 'command -v fusermount3 && test -r "$1"', 'sh', path];
  const { status } = spawnSync('setpriv', args);
  return status === 0 ? null : 'fusermount3 is not installed, or users cannot read this folder';
}

function directory(t: ExecutionContext, owner = 0): string {
  const base = mkdtempSync(join(tmpdir(), 'sluice-mount-'));
  chmodSync(base, 0o755);
  const path = join(base, 'm');
  mkdirSync(path);
  chownSync(path, owner, owner);
  t.teardown(() => {
    // After a failure several mounts may be stacked there.
    for (let i = 0; i < 3 && lineOf(path) !== ''; i++) umount2(path, MNT_DETACH);
    rmSync(base, { recursive: true, force: true });
  });
  return path;
}

/** The last line of mountinfo for a path, '' if it is not a mount point. */
function lineOf(mountpoint: string): string {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.findLast((line) => line.split(' ')[4] === mountpoint) ?? '';
}

function request(mountpoint: string): Parameters<typeof mountFuse>[0] {
  return {
    mountpoint,
    maxRead: 1 << 20,
    allowOther: false,
    options: [],
    source: '/img/a,b\\c d.raw',
  };
}

async function mounted(
  t: ExecutionContext,
  mountpoint: string,
  changes: Partial<Parameters<typeof mountFuse>[0]> = {},
): Promise<FuseMount> {
  const mount = await mountFuse({ ...request(mountpoint), ...changes });
  t.teardown(() => closeSync(mount.fd));
  return mount;
}

async function refusal(
  t: ExecutionContext,
  promise: Promise<unknown>,
): Promise<Pick<SluiceError, 'message' | 'errno' | 'exitCode'>> {
  const error = await t.throwsAsync(promise, { instanceOf: SluiceError });
  const { message, errno, exitCode } = error as SluiceError;
  return { message, errno, exitCode };
}

asRoot('root mounts with mount(2), and a lazy unmount takes it away', async (t) => {
  const path = directory(t);
  const mount = await mounted(t, path);
  const line = lineOf(path);
  t.regex(line, / rw,nosuid,nodev,relatime .*- fuse\.sluice /);
  t.true(line.includes(' /img/a,b\\134c\\040d.raw '), line);
  t.regex(line, /user_id=0,group_id=0,default_permissions,max_read=1048576$/);
  t.is(fcntl(mount.fd, 1, 0), 1, 'FD_CLOEXEC');
  t.is(fcntl(mount.fd, 3, 0) & (O_NONBLOCK | 3), O_NONBLOCK | 2, 'O_NONBLOCK and O_RDWR');
  await mount.unmount(true);
  t.is(lineOf(path), '');
});

asRoot('the words of a request reach the mount', async (t) => {
  const path = directory(t);
  const mount = await mounted(t, path, {
    allowOther: true,
    options: ['noexec', 'ro,noatime', 'max_read=65536', 'fsname=web'],
  });
  t.regex(lineOf(path), / rw,nosuid,nodev,noexec,noatime .*- fuse\.sluice web rw,/);
  t.regex(lineOf(path), /default_permissions,allow_other,max_read=65536$/);
  await mount.unmount(true);
});

asRoot('a mount through a symbolic link is unmounted at the place it points to', async (t) => {
  const path = directory(t);
  const link = `${path}-link`;
  symlinkSync(path, link);
  const mount = await mounted(t, link);
  t.not(lineOf(path), '');
  await mount.unmount(false);
  t.is(lineOf(path), '');
});

asRoot('what somebody else unmounted is left alone, also when a new mount is there', async (t) => {
  const path = directory(t);
  const old = await mounted(t, path);
  t.is(umount2(path, 0), 0);
  const fresh = await mounted(t, path);
  await old.unmount(true);
  t.not(lineOf(path), '', 'the new mount is still there');
  await fresh.unmount(true);
  await fresh.unmount(true);
  t.is(lineOf(path), '');
});

asRoot('a mount under another one is EBUSY, and the other one stays', async (t) => {
  const path = directory(t);
  const mount = await mounted(t, path);
  t.is(mountCall('tmpfs', path, 'tmpfs', 0, null), 0);
  t.deepEqual(await refusal(t, mount.unmount(true)), {
    message: `${path}: another file system is mounted over it`,
    errno: 'EBUSY',
    exitCode: 4,
  });
  t.regex(lineOf(path), / - tmpfs /);
  t.is(umount2(path, 0), 0);
  await mount.unmount(true);
  t.is(lineOf(path), '');
});

asRoot('a mount in use is EBUSY unless the unmount is lazy', async (t) => {
  const path = directory(t);
  const mount = await mounted(t, path);
  // An O_PATH descriptor keeps the mount busy, and opening it sends no request to the daemon.
  const holder = open(path, 0o10000000, 0);
  t.true(holder >= 0);
  const error = await refusal(t, mount.unmount(false));
  t.is(error.errno, 'EBUSY');
  t.is(error.exitCode, 4);
  t.true(error.message.startsWith(`${path}: in use; `));
  await mount.unmount(true);
  t.is(lineOf(path), '');
  closeSync(holder);
});

asRoot('a second mount at the same place is refused, without asking the first one', async (t) => {
  const path = directory(t);
  const mount = await mounted(t, path);
  t.deepEqual(await refusal(t, mountFuse(request(path))), {
    message: `${path}: busy: sluice is mounted there; first: sluice umount ${path}`,
    errno: 'EBUSY',
    exitCode: 4,
  });
  await mount.unmount(true);
});

test.serial('a mount point that is missing or no directory is refused', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'sluice-mount-'));
  t.teardown(() => rmSync(base, { recursive: true }));
  const missing = join(base, 'missing');
  t.deepEqual(await refusal(t, mountFuse(request(missing))), {
    message: `${missing}: the mount point does not exist; make it with mkdir`,
    errno: 'ENOENT',
    exitCode: 4,
  });
  const file = join(base, 'file');
  writeFileSync(file, '');
  t.deepEqual(await refusal(t, mountFuse(request(file))), {
    message: `${file}: the mount point is not a directory`,
    errno: 'ENOTDIR',
    exitCode: 4,
  });
});

/** A program that mounts, prints one line of JSON, and unmounts lazily, to be run in other ways. */
const CHILD = `
import { readFileSync, closeSync } from 'node:fs';
const { mountFuse } = await import(${JSON.stringify(MOUNT_URL)});
const request = JSON.parse(process.argv[1]);
const line = () => readFileSync('/proc/self/mountinfo', 'utf8').split('\\n')
  .findLast((l) => l.split(' ')[4] === request.mountpoint) ?? '';
const answer = {};
try {
  const mount = await mountFuse(request);
  answer.during = line();
  answer.fdinfo = readFileSync('/proc/self/fdinfo/' + mount.fd, 'utf8');
  await mount.unmount(true);
  answer.after = line();
  closeSync(mount.fd);
} catch (e) {
  Object.assign(answer, { message: e.message, errno: e.errno, exitCode: e.exitCode });
}
console.log(JSON.stringify(answer));
`;

interface Answer {
  during?: string;
  after?: string;
  fdinfo?: string;
  message?: string;
  errno?: string;
  exitCode?: number;
}

/**
 * A mount namespace of its own in which everybody may open /dev/fuse, as udev sets it up. fusermount3
 * opens it with the rights of the user, and on machines without udev its mode is 600.
 */
const PRIVATE_DEV = `
mount -t tmpfs -o mode=755 tmpfs "$1" && mknod -m 666 "$1/fuse" c 10 229 &&
mount --bind "$1/fuse" /dev/fuse && shift && exec "$@"`;

/** Runs CHILD below `setpriv ARGS`; `path`: its PATH. */
async function child(
  t: ExecutionContext,
  args: string[],
  changes: Partial<Parameters<typeof mountFuse>[0]> & { mountpoint: string },
  path = process.env.PATH,
): Promise<Answer> {
  const dev = mkdtempSync(join(tmpdir(), 'sluice-dev-'));
  t.teardown(() => rmdirSync(dev));
  const json = JSON.stringify({ ...request(changes.mountpoint), ...changes });
  const node = ['env', `PATH=${path}`, process.execPath, '--input-type=module', '-e', CHILD, json];
  const shell = ['sh', '-c', PRIVATE_DEV, 'sh', dev, 'setpriv', ...args, ...node];
  const { stdout } = await run('unshare', ownNamespace(shell), {
    timeout: 30_000,
    cwd: '/',
  });
  return JSON.parse(stdout) as Answer;
}

asUser('a user mounts with fusermount3 and gets the descriptor of /dev/fuse', async (t) => {
  const path = directory(t, NOBODY);
  const got = await child(t, USER, { mountpoint: path });
  t.is(got.message, undefined);
  t.regex(got.during ?? '', / rw,nosuid,nodev,relatime .*- fuse\.sluice /);
  t.true(got.during?.includes(' /img/a,b\\134c\\040d.raw '), got.during);
  t.regex(got.during ?? '', /user_id=65534,group_id=65534,default_permissions,max_read=1048576$/);
  // O_CLOEXEC 02000000, O_NONBLOCK 04000, O_RDWR 02 and not O_WRONLY 01; octal as in proc(5).
  const flags = Number.parseInt(/^flags:\s+([0-7]+)$/m.exec(got.fdinfo ?? '')?.[1] ?? '', 8);
  t.is(flags & 0o2004003, 0o2004002);
  t.is(got.after, '');
});

asUser('allow_other for a user names the line of /etc/fuse.conf', async (t) => {
  if (/^user_allow_other/m.test(readFileSync('/etc/fuse.conf', 'utf8'))) {
    t.log('skipped: user_allow_other is set here');
    t.pass();
    return;
  }
  const path = directory(t, NOBODY);
  t.deepEqual(await child(t, USER, { mountpoint: path, allowOther: true }), {
    message: `${path}: allow_other is off for users; put the line user_allow_other into /etc/fuse.conf`,
    errno: 'EPERM',
    exitCode: 4,
  });
  t.is(lineOf(path), '');
});

asUser('a mount point of somebody else is refused to a user', async (t) => {
  const path = directory(t);
  t.deepEqual(await child(t, USER, { mountpoint: path }), {
    message: `${path}: the mount point is not writable for you`,
    errno: 'EACCES',
    exitCode: 4,
  });
});

asUser('suid and dev are refused to a user, who would get a mount without them', async (t) => {
  const path = directory(t, NOBODY);
  const got = await child(t, USER, { mountpoint: path, options: ['dev'] });
  t.is(got.message, 'mount option "dev" is for root only');
  t.is((await child(t, USER, { mountpoint: path, options: ['suid'] })).errno, 'EPERM');
});

asUser('a user without fusermount3 is told what to install', async (t) => {
  const path = directory(t, NOBODY);
  const got = await child(t, USER, { mountpoint: path }, '/nonexistent');
  t.deepEqual(got, {
    message: 'fusermount3 is not installed: apt-get install fuse3',
    errno: 'ENOENT',
    exitCode: 4,
  });
});

asRoot(
  'root without the right to mount gets a sentence, with or without fusermount3',
  async (t) => {
    const path = directory(t);
    const weak = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin'];
    const want = {
      message:
        `${path}: mounting is not permitted here; ` +
        'in a container pass --cap-add SYS_ADMIN --device /dev/fuse',
      errno: 'EPERM',
      exitCode: 4,
    };
    t.deepEqual(await child(t, weak, { mountpoint: path }), want);
    t.deepEqual(await child(t, weak, { mountpoint: path }, '/nonexistent'), want);
    t.is(lineOf(path), '');
  },
);

asRoot('an unmount needs no daemon to answer INIT', async (t) => {
  const path = directory(t);
  const mount = await mounted(t, path);
  await mount.unmount(false);
  t.is(lineOf(path), '');
  rmdirSync(path);
});
