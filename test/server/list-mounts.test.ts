import { join } from 'node:path';
import test from 'ava';
import { inTurns, type ListedMount } from '../../src/server/list-mounts.js';
import { Control } from '../helpers/control.js';
import { ownNamespace } from '../helpers/namespace.js';
import { eventually, isAlive } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, sluiceWords } from '../helpers/run.js';
import { startMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const listTest = requires('fuse', 'root', 'io_uring');

test('many mounts are asked in turns', async (t) => {
  const items = Array.from({ length: 30 }, (_, index) => index);
  let running = 0;
  let most = 0;
  const twice = async (item: number): Promise<number> => {
    most = Math.max(most, ++running);
    for (let i = 0; i < item % 3; i++) await null;
    running--;
    return 2 * item;
  };
  t.deepEqual(
    await inTurns(4, items, twice),
    items.map((item) => 2 * item),
  );
  t.is(most, 4);
  t.deepEqual(await inTurns(4, [], twice), []);
});

listTest(
  'a mount is listed with its images and daemon, and as dead when that is gone',
  async (t) => {
    const image = sparseFile(join(tempFolder(t), 'web.img'), MIB);
    const mount = await startMount(t, [image], ['--group', 'gold', '--assign', 'web=gold']);
    // Who looks at a mount holds it for a moment: not those of other tests, which may end just then.
    const look = async (): Promise<ListedMount | undefined> => {
      const words = [process.execPath, ...sluiceWords('list', '--json')];
      const listed = await must('unshare', ownNamespace(words, mount.point));
      return (JSON.parse(listed) as ListedMount[]).find((one) => one.mountpoint === mount.point);
    };
    const { ageSeconds, requestsPerSecond, ...own } = (await look())!;
    t.true(ageSeconds! >= 0 && ageSeconds! < 3600);
    t.is(requestsPerSecond, 0);
    const web = { name: 'web', path: image, format: 'raw', size: MIB, readOnly: false };
    t.deepEqual(own, {
      ...{ mountpoint: mount.point, state: 'alive', pid: mount.pid, transport: 'uring' },
      keeper: 'no',
      version: /^version (.*)$/m.exec(await new Control(mount).read('daemon'))![1]!,
      images: [{ ...web, passthrough: false, faults: null }],
    });
    process.kill(mount.pid, 'SIGKILL');
    t.true(await eventually(() => !isAlive(mount.pid)));
    // The kernel cuts the connection when a ring has let go of it, some time after the process has ended.
    let dead = await look();
    while (dead?.state !== 'dead') dead = await look();
    t.like(dead, { pid: null, keeper: null, images: [] });
  },
);
