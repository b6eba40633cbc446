import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { makeCgroup } from './cgroup.js';

const BLKIO = '/sys/fs/cgroup/blkio';

/** True if a process can be given a slow disk: this needs the blkio controller of cgroup v1. */
export const canSlowDisk = existsSync(join(BLKIO, 'blkio.throttle.write_iops_device'));

/**
 * Limits the writes of a process to the disk of `path` to so many requests a second.
 * @returns A function that tells how many requests the disk has got from the process since.
 */
export function slowDisk(
  t: ExecutionContext,
  pid: number,
  path: string,
  iops: number,
): () => number {
  const { dev } = statSync(path);
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const group = join(BLKIO, `sluice-test-${pid}`);
  makeCgroup(t, group);
  writeFileSync(join(group, 'blkio.throttle.write_iops_device'), `${device} ${iops}`);
  writeFileSync(join(group, 'cgroup.procs'), String(pid));
  return () => {
    const text = readFileSync(join(group, 'blkio.throttle.io_serviced'), 'utf8');
    return Number(new RegExp(`^${device} Write (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  };
}
