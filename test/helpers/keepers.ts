import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { eventually, mountsAt, processesOf } from './proc.js';
import { must, run } from './run.js';
import type { SluiceMount } from './sluice-mount.js';

/** No process of the mount is left, and nobody has the image. */
export async function checkNothingLeft(t: ExecutionContext, mount: SluiceMount, raw: string) {
  t.deepEqual(mountsAt(mount.point), []);
  t.true(await eventually(() => processesOf(mount.point).length === 0), 'processes');
  await checkFree(raw);
}

/** Nobody has the image. The kernel takes the command line of a process before it closes its files. */
export async function checkFree(raw: string): Promise<void> {
  const words = ['-f', 'raw', '-c', 'write 0 512', raw];
  for (let looks = 0; looks < 100; looks++) {
    if ((await run('qemu-io', words)).code === 0) return;
    await setTimeout(20);
  }
  await must('qemu-io', words);
}

/** The keeper of a mount, and a copy of it that waits for a daemon which starts. */
export function keepersOf(mount: SluiceMount): number[] {
  const ours = processesOf(mount.point);
  return processesOf('sluice-keeper').filter((one) => ours.includes(one));
}

export function keeperOf(mount: SluiceMount): number {
  const [pid, ...others] = keepersOf(mount);
  if (pid === undefined || others.length > 0) throw new Error(`keepers: ${pid} ${others}`);
  return pid;
}
