import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CallerFollower, LiveFollower } from '../../src/server/live-status.js';
import { carryOut } from '../../src/server/order-images.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { mountTest } from '../helpers/requires.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

mountTest('a mount is looked at again and again', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  const words = ['--group', 'gold:weight=80,iops=500,burst.iops=1000/2', '--assign', 'disk=gold'];
  await withMount(t, [image], words, async (mount) => {
    const follower = new LiveFollower(mount.point);
    const first = await follower.next();
    readFileSync(mount.file());
    const second = await follower.next();
    for (const status of [first, second]) {
      if (status.kind !== 'alive') return t.fail(status.kind);
      t.deepEqual(
        status.groups.map(({ path, settings }) => [path, settings.weight, settings.limits.iops]),
        [
          ['', 100, Infinity],
          ['gold', 80, 500],
        ],
      );
      t.deepEqual(
        status.groups[1]!.members.map(({ name }) => name),
        ['disk'],
      );
      t.is(status.images[0]!.name, 'disk');
      t.true(status.groups[1]!.burstsLeft!.iops! > 0);
    }
    const looked = async () => {
      const status = await follower.next();
      return status.kind === 'alive'
        ? status.images.map((one) => [one.name, one.faults?.words])
        : [];
    };
    await carryOut(mount.point, { kind: 'faults', name: 'disk', faults: 'read.error=1%,seed=7' });
    t.deepEqual(await looked(), [['disk', 'read.error=1%,seed=7']]);
    await carryOut(mount.point, { kind: 'faults', name: 'disk', faults: 'off' });
    t.deepEqual(await looked(), [['disk', undefined]]);
    await carryOut(mount.point, { kind: 'detach', name: 'disk', force: false });
    t.deepEqual(await looked(), []);
    follower.end();
  });
});

mountTest('callers are looked at again and again', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), MIB);
  await withMount(t, [image], [], async (mount) => {
    readFileSync(mount.file());
    const callers = new CallerFollower(mount.point);
    // A request counts when its reply has left, which its caller does not wait for.
    const read = async (): Promise<number> => {
      const status = await callers.next();
      if (status.kind !== 'alive') return -1;
      return status.callers.find(({ pid }) => pid === process.pid)?.rbytes ?? 0;
    };
    const end = performance.now() + IN_THE_END_MS;
    while ((await read()) !== MIB && performance.now() < end) await delay(10);
    t.is(await read(), MIB);
  });
});
