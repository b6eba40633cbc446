import { constants } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { Control } from '../helpers/control.js';
import { FileAgent } from '../helpers/file-agent.js';
import { fioWords } from '../helpers/fio.js';
import { untilQueued } from '../helpers/group-files.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { Child, EXPIRED, expires } from '../helpers/run.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, pattern, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const fioTest = requires('fuse', 'root', 'io_uring', 'fio');

function withDisk(
  t: ExecutionContext,
  words: readonly string[],
  use: (mount: SluiceMount, control: Control) => Promise<void>,
): Promise<void> {
  const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 64 * MIB);
  return withMount(t, [image], words, (mount) => use(mount, new Control(mount)));
}

const SLOW = ['--assign', 'disk=slow'];

/** Starts a process that has the disk open. */
async function opened(t: ExecutionContext, mount: SluiceMount) {
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), constants.O_RDWR);
  t.true(fd >= 0);
  return { agent, fd };
}

mountTest(
  'a limit that is halved while a write waits counts for the rest of its wait',
  async (t) => {
    await withDisk(t, ['--group', 'slow:bps=512K', ...SLOW], async (mount, control) => {
      const { agent, fd } = await opened(t, mount);
      const start = performance.now();
      const write = agent.write(fd, 0, pattern(MIB, 2));
      const since = (): number => (performance.now() - start) / 1000;
      await delay(1000);
      await control.must('echo bps=256K > slow/io.max');
      const changed = since();
      t.is(await write, MIB);
      const seconds = since();
      t.log(`${seconds.toFixed(3)} s`);
      // The group earns 512 KiB a second until the change, then the rest of 1 MiB at 256 KiB a second. A
      // busy machine delays the change, which is measured, and the answer.
      t.true(seconds > Math.max(1.9, 3.9 - changed), `${seconds} s, changed at ${changed} s`);
      await agent.close(fd);
    });
  },
);

for (const [what, script] of [
  ['its limit is raised to max', 'echo bps=max > slow/io.max'],
  ['its image moves to another group', 'echo disk > fast/members'],
  ['its image moves to the root group', 'echo disk > members'],
  ['its caller gets a rule', 'echo uid:0 > fast/members'],
] as const) {
  mountTest(`a request that waits goes at once when ${what}`, async (t) => {
    const groups = ['--group', 'slow:bps=1', '--group', 'fast', ...SLOW];
    await withDisk(t, groups, async (mount, control) => {
      const { agent, fd } = await opened(t, mount);
      const write = agent.write(fd, 0, pattern(4096, 2));
      await untilQueued(mount, 'slow', 1);
      await control.must(script);
      const start = performance.now();
      t.is(await write, 4096);
      const ms = performance.now() - start;
      t.log(`${ms.toFixed(1)} ms`);
      // Without the change the request would wait for an hour.
      t.true(ms < IN_THE_END_MS, `${ms} ms`);
      await agent.close(fd);
    });
  });
}

mountTest('a request that waits follows its image into a slower group and out of it', async (t) => {
  const groups = ['--group', 'a:bps=1', '--group', 'b:bps=1', '--assign', 'disk=a'];
  await withDisk(t, groups, async (mount, control) => {
    const { agent, fd } = await opened(t, mount);
    const write = agent.write(fd, 0, pattern(4096, 2));
    await untilQueued(mount, 'a', 1);
    await control.must('echo disk > b/members');
    t.like(await control.figures('a'), { queued: 0 });
    t.like(await control.figures('b', 'disk'), { queued: 1 });
    t.is(await expires(300, write), EXPIRED);
    await control.must('rmdir a; echo disk > members');
    t.is(await write, 4096);
    await agent.close(fd);
  });
});

mountTest('a rule that goes leaves what waits under it to the image', async (t) => {
  const groups = ['--group', 'slow:bps=1', '--assign', 'uid:0=slow'];
  await withDisk(t, groups, async (mount, control) => {
    const { agent, fd } = await opened(t, mount);
    const write = agent.write(fd, 0, pattern(4096, 2));
    await untilQueued(mount, 'slow', 1);
    await control.must('echo -uid:0 > slow/members; rmdir slow');
    t.is(await write, 4096);
    t.like(await control.figures('', 'disk'), { wios: 1, queued: 0 });
    await agent.close(fd);
  });
});

mountTest('rmdir of a group whose member waits is EBUSY', async (t) => {
  await withDisk(t, ['--group', 'slow:bps=1', ...SLOW], async (mount, control) => {
    const { agent, fd } = await opened(t, mount);
    const write = agent.write(fd, 0, pattern(4096, 2));
    await untilQueued(mount, 'slow', 1);
    t.regex((await control.shell('rmdir slow')).stderr, /Device or resource busy/);
    await control.must('echo disk > members; rmdir slow');
    t.is(await write, 4096);
    await agent.close(fd);
  });
});

fioTest(
  'the files answer at once while all groups are saturated by 600 large writes',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const images = ['disk', 'b'].map((n) => sparseFile(join(folder, `${n}.img`), 700 * MIB));
    const groups = [
      '--group',
      'slow:bps=1',
      ...SLOW,
      '--group',
      'full:bps=1',
      '--assign',
      'b=full',
    ];
    const mount = await startMount(t, images, groups);
    const control = new Control(mount);
    const fill = (name: string) => {
      const words = ['rw=write', 'bs=1m', 'size=700m', 'iodepth=300', 'iodepth_batch_submit=300'];
      const child = new Child('fio', fioWords(mount.file(name), ...words));
      t.teardown(() => {
        child.process.kill('SIGKILL');
      });
      return child;
    };
    const [one, two] = [fill('disk'), fill('b')];
    await untilQueued(mount, '', 500);
    const start = performance.now();
    for (let round = 0; round < 20; round++) {
      await control.must('mkdir new; echo 7 > new/io.weight; cat new/io.stat io.stat; rmdir new');
    }
    const ms = (performance.now() - start) / 20;
    t.log(`${ms.toFixed(1)} ms for seven programs`);
    t.true(ms < IN_THE_END_MS, `${ms} ms`);
    t.is((await mount.umount('--force')).code, 0);
    await one.within();
    await two.within();
  },
);

fioTest('changes by the thousand under load lose and duplicate nothing', async (t) => {
  await withDisk(
    t,
    ['--group', 'a', '--group', 'b', '--assign', 'disk=a'],
    async (mount, control) => {
      const words = ['rw=randwrite', 'bs=4k', 'size=64m', 'iodepth=64', 'time_based', 'runtime=2'];
      const verify = ['verify=crc32c', 'verify_fatal=1', 'verify_backlog=256'];
      const load = new Child('fio', fioWords(mount.file(), ...words, ...verify));
      // The files stay open, so that a change is one write(2), as a program that manages groups makes it.
      const script =
        'exec 3>a/io.max 4>b/io.weight 5>a/members 6>b/members 7>b/io.max 8>io.depth; ' +
        'for i in $(seq 300); do echo iops=$((2000 + i)) >&3; echo $i >&4; ' +
        'echo disk >&6; echo bps=$((i % 9 + 1))M >&7; echo uid:0 >&5; ' +
        'echo $((i % 64 + 1)) >&8; echo -uid:0 >&5; echo disk >&5; done';
      const start = performance.now();
      let changes = 0;
      while (performance.now() - start < 2000) {
        await control.must(script);
        changes += 2400;
      }
      const rate = changes / ((performance.now() - start) / 1000);
      // An idle machine makes 3000.
      t.log(`${rate.toFixed(0)} changes a second`);
      await control.must('echo iops=max > a/io.max; echo auto > io.depth');
      const ended = await load.within();
      t.is(ended.code, 0, ended.stdout + ended.stderr);
      const { jobs } = JSON.parse(ended.stdout.slice(ended.stdout.indexOf('{')));
      const total = (await control.figures('', 'total'))!;
      t.is(total.wios, jobs[0].write.total_ios);
      t.is(total.rios, jobs[0].read.total_ios);
      t.like(total, { queued: 0, inflight: 0 });
    },
  );
});
