import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The hierarchies of cgroup v1 that scenarios make groups in. */
export const CGROUPS = '/sys/fs/cgroup';

/** The reason why a need is not met, or null if it is met. */
const CHECKS = {
  root: () => (process.getuid?.() === 0 ? null : 'not root'),
  fuse: () => (isAccessible('/dev/fuse') ? null : '/dev/fuse is missing or not ours to open'),
  io_uring: () => (isForbidden() ? 'io_uring is forbidden (kernel.io_uring_disabled)' : null),
  loop: () => (program('losetup', '-f') === null ? null : 'there are no loop devices'),
  fusectl: () =>
    existsSync('/sys/fs/fuse/connections') ? null : 'the kernel has no fusectl file system',
  memory: () => {
    const file = join(CGROUPS, 'memory/memory.limit_in_bytes');
    return existsSync(file) ? null : 'there is no memory controller of cgroup v1';
  },
  blkio: () => {
    const file = join(CGROUPS, 'blkio/blkio.throttle.write_iops_device');
    return existsSync(file) ? null : 'there is no blkio controller of cgroup v1';
  },
  qemu: () => program('qemu-img', '--version'),
  ext4: () => program('mkfs.ext4', '-V') ?? program('e2fsck', '-V'),
  xfs: () => fileSystem('xfs') ?? program('mkfs.xfs', '-V') ?? program('xfs_repair', '-V'),
  sqlite: () => program('sqlite3', '--version'),
  prlimit: () => program('prlimit', '--version'),
  fusermount3: () => program('fusermount3', '--version'),
} as const;

/** A property of the machine that a scenario needs. */
export type Need = keyof typeof CHECKS;

const known = new Map<Need, string | null>();

/** The first reason why the needs are not met; null if they are. */
export function missing(needs: readonly Need[]): string | null {
  for (const need of needs) {
    if (!known.has(need)) known.set(need, CHECKS[need]());
    const reason = known.get(need)!;
    if (reason !== null) return reason;
  }
  return null;
}

function isAccessible(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isForbidden(): boolean {
  try {
    return readFileSync('/proc/sys/kernel/io_uring_disabled', 'utf8').trim() === '2';
  } catch {
    // Kernels before 6.6 do not have this sysctl.
    return false;
  }
}

function program(name: string, word: string): string | null {
  return spawnSync(name, [word], { stdio: 'ignore' }).status === 0 ? null : `${name} is missing`;
}

function fileSystem(name: string): string | null {
  const known = readFileSync('/proc/filesystems', 'utf8').split(/\s+/);
  return known.includes(name) ? null : `the kernel does not have ${name}`;
}
