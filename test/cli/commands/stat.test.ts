import { join } from 'node:path';
import { parseTimes } from '../../../src/tree/time-report.js';
import { eventually, IN_THE_END_MS } from '../../helpers/proc.js';
import { mountTest } from '../../helpers/requires.js';
import { Child, must, sluiceWords } from '../../helpers/run.js';
import { withMount } from '../../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../../helpers/temp.js';

const READS = 4;
const KIB = 1024;

mountTest('times of requests that a limit holds back, and of others', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const images = ['fast', 'slow'].map((name) => sparseFile(join(folder, `${name}.img`), MIB));
  const words = ['--group', 'g:riops=5', '--assign', 'slow=g'];
  await withMount(t, images, words, async (mount) => {
    const watch = new Child(
      process.execPath,
      sluiceWords('stat', mount.point, '--watch', '--json'),
    );
    t.teardown(() => watch.process.kill());
    const times = async (group: string) =>
      parseTimes(await must('cat', [join(mount.point, '.groups', group, 'io.times')]));
    for (const name of ['fast', 'slow']) {
      const file = `if=${mount.file(name)}`;
      await must('dd', [file, 'of=/dev/null', 'bs=4k', `count=${READS}`, 'iflag=direct']);
    }
    const [root, slow] = [await times(''), await times('g')];
    const fast = root.members.find(({ name }) => name === 'fast')?.times.read?.mount;
    t.like(fast, { requests: READS, bytes: READS * 4 * KIB });
    t.is(fast?.wait.max, 0);
    const { mean = 0, p50 = 0, p90 = 0, p999 = 0, max = 0 } = fast?.service ?? {};
    const order = [0, p50, p90, p999, max];
    t.deepEqual(
      [...order].sort((a, b) => a - b),
      order,
      'no request took less than no time',
    );
    t.true(mean > 0);
    const held = slow.total.read?.mount;
    t.like(held, { requests: READS, bytes: READS * 4 * KIB });
    // A request costs 200 ms, and 10 ms pass at once: the first one waits for 190 ms, whoever is slow here.
    t.true((held?.wait.max ?? 0) >= 190_000, `${held?.wait.max} us`);
    t.true((held?.wait.mean ?? 0) >= 190_000 / READS, `${held?.wait.mean} us`);
    t.true((held?.wait.p999 ?? 0) <= (held?.wait.max ?? 0));
    t.is(root.total.read?.mount.requests, 2 * READS);
    // The last minute has all of it, unless this test takes longer.
    t.true((root.total.read?.minute.requests ?? 0) <= 2 * READS);
    const seconds = (): { at: string; requests: number }[] =>
      watch.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
        .map(({ time, groups }) => ({
          at: time,
          requests: groups[0].times.read?.second.requests ?? 0,
        }));
    // Each line is about the second before it: one with requests is missed by who is slow.
    const end = performance.now() + IN_THE_END_MS;
    while (!seconds().some(({ requests }) => requests > 0) && performance.now() < end) {
      await must('dd', [`if=${mount.file('fast')}`, 'of=/dev/null', 'count=1', 'iflag=direct']);
    }
    t.true(seconds().some(({ requests }) => requests > 0));
    t.true(await eventually(() => seconds().length >= 3));
    watch.process.kill();
    await watch.ended;
  });
});
