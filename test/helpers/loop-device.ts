import type { ExecutionContext } from 'ava';
import { must, run } from './run.js';

/** Attaches a file to a loop device until the test ends. */
export async function loopDevice(t: ExecutionContext, file: string): Promise<string> {
  const device = (await must('losetup', ['--find', '--show', file])).trim();
  t.teardown(async () => {
    await run('losetup', ['-d', device]);
  });
  return device;
}

/** Mounts a file system on a folder until the test ends. */
export async function mountFileSystem(
  t: ExecutionContext,
  words: readonly string[],
  folder: string,
): Promise<void> {
  await must('mount', [...words, folder]);
  t.teardown(async () => {
    await run('umount', ['-l', folder]);
  });
}
