import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import test, { type TestFn } from 'ava';
import { ringQueueCount } from '../../src/fuse/ring-support.js';
import { hasResend } from '../../src/server/hindrances.js';
import { storeProgram } from './store-server.js';

/** A property of the machine that a test needs. */
export type Need =
  | 'fuse'
  | 'root'
  | 'io_uring'
  | 'fuse-uring'
  | 'resend'
  | 'fio'
  | 'loop'
  | 'perl'
  | 'e2fsprogs'
  | 'setpriv'
  | 'fusermount3'
  | 'qemu'
  | 'nbdkit'
  | 'openssl'
  | 'sfdisk'
  | 'sgdisk'
  | 'parted'
  | 'prometheus'
  | 'promtool'
  | 'store'
  | 'systemd'
  | 'runc'
  | 'chromium'
  | 'tmux'
  | 'mandoc'
  | 'man'
  | 'zsh'
  | 'fish';

/** The reason why a need is not met, or null if it is met. */
const CHECKS: Readonly<Record<Need, () => string | null>> = {
  fuse: () => (isAccessible('/dev/fuse') ? null : '/dev/fuse is missing or not ours to open'),
  root: () => (process.getuid?.() === 0 ? null : 'not root'),
  io_uring: () => (ioUringDisabled() ? 'io_uring is forbidden (kernel.io_uring_disabled)' : null),
  'fuse-uring': () => {
    try {
      ringQueueCount();
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  },
  resend: () => (hasResend() ? null : 'the kernel cannot send requests again (Linux 6.9)'),
  fio: () => program('fio', '--version'),
  perl: () => program('perl', '-v'),
  loop: () => program('losetup', '--version') ?? program('losetup', '-f'),
  e2fsprogs: () => program('mkfs.ext4', '-V') ?? program('e2fsck', '-V'),
  fusermount3: () =>
    isForAll('/dev/fuse') ? program('fusermount3', '--version') : '/dev/fuse is for root only',
  qemu: () => program('qemu-img', '--version') ?? program('qemu-io', '--version'),
  nbdkit: () => program('nbdkit', '--version') ?? program('qemu-nbd', '--version'),
  openssl: () => program('openssl', 'version'),
  sfdisk: () => program('sfdisk', '--version'),
  sgdisk: () => program('sgdisk', '--version'),
  prometheus: () => program('prometheus', '--version'),
  promtool: () => program('promtool', '--version'),
  chromium: () => program('chromium', '--version'),
  tmux: () => program('tmux', '-V'),
  mandoc: () => program('mandoc', '/dev/null'),
  man: () => program('man', '--version'),
  zsh: () => program('zsh', '--version'),
  fish: () => program('fish', '--version'),
  parted: () => program('parted', '--version'),
  store: () => (storeProgram() === null ? 'valkey-server and redis-server are missing' : null),
  systemd: () => program('systemd-analyze', '--version'),
  runc: () => program('runc', '--version'),
  setpriv: () => program('setpriv', '--version'),
};

function isAccessible(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** fusermount3 opens the device with the rights of its caller. */
function isForAll(path: string): boolean {
  return (statSync(path).mode & 0o006) === 0o006;
}

function ioUringDisabled(): boolean {
  try {
    const value = Number(readFileSync('/proc/sys/kernel/io_uring_disabled', 'utf8'));
    return value === 2 || (value === 1 && process.getuid?.() !== 0);
  } catch {
    // Kernels before 6.6 do not have this sysctl.
    return false;
  }
}

function program(name: string, word: string): string | null {
  return spawnSync(name, [word], { stdio: 'ignore' }).status === 0 ? null : `${name} is missing`;
}

/** ava's serial test function. If a need is not met, logs the reason and returns the skipping one. */
export function requires(...needs: Need[]): Pick<TestFn, 'skip'> & TestFn['serial'] {
  for (const need of needs) {
    const reason = CHECKS[need]();
    if (reason === null) continue;
    process.stderr.write(`skipped: ${reason}\n`);
    return test.serial.skip as never;
  }
  return test.serial as never;
}

/** For tests that mount. */
export const mountTest = requires('fuse', 'root', 'io_uring');
