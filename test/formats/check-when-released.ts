import { type Ended, run } from '../helpers/run.js';

/**
 * qemu-img check, once the dead daemon's locks are gone: the kernel closes what a ring holds some
 * time after its process.
 */
export async function checkWhenReleased(image: string): Promise<Ended> {
  const check = () => run('qemu-img', ['check', '-f', 'qcow2', image]);
  let result = await check();
  for (let tries = 0; tries < 50 && result.stderr.includes('Failed to get'); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    result = await check();
  }
  return result;
}
