import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { orderByFiles } from '../../src/server/order-images.js';
import { readStatus } from '../../src/server/status.js';
import { eventually, processesOf } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { startMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const orderTest = requires('fuse', 'root', 'io_uring');
const DETACH = { kind: 'detach', name: 'web', force: false } as const;

orderTest(
  'without a report the errno of the write and the reason of `refused` count',
  async (t) => {
    const image = sparseFile(join(tempFolder(t), 'web.img'), MIB);
    // Here the kernel caches control files, too, and gives the writer back what it has written.
    const mount = await startMount(t, [image], ['--transport', 'fuse-native', '--cache', 'page']);
    const status = await readStatus(mount.point);
    if (status.kind !== 'alive') throw new Error(status.kind);
    const order = (name: string) => orderByFiles(mount.point, status.daemon, { ...DETACH, name });
    await t.throwsAsync(order('none'), { message: 'none: there is no such image; images: web' });
    // While it waits for the daemon, others can read the words of the process that writes the order.
    process.kill(mount.pid, 'SIGSTOP');
    const ordered = order('web');
    const writers = () => processesOf(mount.point).filter((pid) => pid !== mount.pid);
    const isSeen = await eventually(() => writers().length > 0);
    const words = readFileSync(`/proc/${writers()[0]}/cmdline`, 'utf8').split('\0');
    process.kill(mount.pid, 'SIGCONT');
    t.true(isSeen);
    t.deepEqual(words.slice(2), [mount.point, ''], 'the key is not among them');
    t.deepEqual(await ordered, []);
    const { key: _, ...fields } = status.daemon.fields;
    await t.throwsAsync(orderByFiles(mount.point, { ...status.daemon, fields }, DETACH), {
      message: /its daemon is of a version that keeps its images/,
    });
    t.is((await mount.umount()).code, 0);
    await mount.checkGone(t);
  },
);
