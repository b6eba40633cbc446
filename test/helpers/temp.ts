import { closeSync, ftruncateSync, mkdtempSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { run } from './run.js';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Memory as a file system. */
export const TMPFS = '/dev/shm';

/** A folder that goes with the test, on the disk unless `base` says otherwise. */
export function tempFolder(t: ExecutionContext, base = tmpdir()): string {
  const folder = mkdtempSync(join(base, 'sluice-test-'));
  t.teardown(async () => {
    // Not rmSync: it would walk into a mount that a failed test left behind, and hang there.
    await run('rm', ['-rf', '--one-file-system', folder]);
  });
  return folder;
}

/** A sparse file. */
export function sparseFile(path: string, size: number): string {
  const fd = openSync(path, 'w', 0o644);
  ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

/** A file of bytes that differ from one place to the next, the same in every run. */
export function patternFile(path: string, size: number, seed = 1): string {
  const fd = openSync(path, 'w', 0o644);
  for (let at = 0; at < size; at += MIB) {
    writeSync(fd, pattern(Math.min(MIB, size - at), seed + at));
  }
  closeSync(fd);
  return path;
}

/** Bytes from a linear congruence modulo 2^32 (Knuth's factor); the high bits are good noise. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
