import { existsSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { eventually } from './proc.js';
import { must, run } from './run.js';

/** Attaches a file to a loop device until the test ends. */
export async function loopDevice(t: ExecutionContext, file: string): Promise<string> {
  const device = (await must('losetup', ['--find', '--show', file])).trim();
  t.teardown(async () => {
    await run('losetup', ['-d', device]);
  });
  return device;
}

/** Detaches a loop device. Where somebody looks at it just now, such as udev, the kernel does so later. */
export async function detachLoop(device: string): Promise<void> {
  await must('losetup', ['-d', device]);
  const file = `/sys/block/${device.slice('/dev/'.length)}/loop/backing_file`;
  if (!(await eventually(() => !existsSync(file)))) throw new Error(`${device} stays attached`);
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
