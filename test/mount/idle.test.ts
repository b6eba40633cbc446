import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OWN_ADDRESS, OWN_PORTS } from '../helpers/own-address.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

/** Longer than anything that a daemon does again and again. */
const STRETCH_MS = 2500;

/** How often threads of a process have gone to sleep. */
function sleepsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    return sum + Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1]);
  }, 0);
}

requires(
  'fuse',
  'root',
  'io_uring',
)('a daemon that nobody asks sleeps', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const metrics = `${OWN_ADDRESS}:${OWN_PORTS[0]}`;
  await withMount(t, [image], ['--metrics', metrics], async (mount) => {
    // V8 collects the garbage of the start some seconds later, on a busy machine much later.
    const end = performance.now() + IN_THE_END_MS;
    const looks: number[] = [];
    while (looks.at(-1) !== 0 && performance.now() < end) {
      const before = sleepsOf(mount.pid);
      await delay(STRETCH_MS);
      looks.push(sleepsOf(mount.pid) - before);
    }
    t.is(looks.at(-1), 0, String(looks));
  });
});
