import { IN_THE_END_MS } from '../helpers/proc.js';
import { type Ended, run } from '../helpers/run.js';

/**
 * Runs qemu-img check once the locks of a dead daemon are gone: the kernel closes the files of a ring
 * some time after the process has ended.
 */
export async function checkWhenReleased(image: string): Promise<Ended> {
  const check = () => run('qemu-img', ['check', '-f', 'qcow2', image]);
  const end = performance.now() + IN_THE_END_MS;
  let result = await check();
  while (result.stderr.includes('Failed to get') && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    result = await check();
  }
  return result;
}
