import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { hasMounts } from './proc.js';
import { run } from './run.js';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** A folder on tmpfs. */
export const TMPFS = '/dev/shm';

/** Makes a folder that is removed after the test, on the disk unless `base` is given. */
export function tempFolder(t: ExecutionContext, base = tmpdir()): string {
  const folder = mkdtempSync(join(base, 'sluice-test-'));
  t.teardown(async () => {
    // rmSync would enter a mount left behind by a failed test and hang there.
    if (hasMounts(folder)) await run('rm', ['-rf', '--one-file-system', folder]);
    else rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Makes a sparse file. */
export function sparseFile(path: string, size: number): string {
  const fd = openSync(path, 'w', 0o644);
  ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

/** Makes a file of noise that is the same in every run. */
export function patternFile(path: string, size: number, seed = 1): string {
  const fd = openSync(path, 'w', 0o644);
  for (let at = 0; at < size; at += MIB) {
    writeSync(fd, pattern(Math.min(MIB, size - at), seed + at));
  }
  closeSync(fd);
  return path;
}

/** Noise: the high bits of a linear congruential generator modulo 2^32 (Knuth's factor). */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
