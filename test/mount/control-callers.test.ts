import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { makeCgroup } from '../helpers/cgroup.js';
import { Control } from '../helpers/control.js';
import { fio } from '../helpers/fio.js';
import { mountTest, requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const fioTest = requires('fuse', 'root', 'io_uring', 'fio');
const userTest = requires('fuse', 'root', 'io_uring', 'setpriv');

/** A mount with the groups `image`, whose member is the image, `a` and `b`. */
function withGroups(
  t: ExecutionContext,
  words: readonly string[],
  use: (mount: SluiceMount, control: Control) => Promise<void>,
): Promise<void> {
  const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 16 * MIB);
  const groups = ['image', 'a', 'b'].flatMap((name) => ['--group', name]);
  const options = [...groups, '--assign', 'disk=image', '--allow-other', ...words];
  return withMount(t, [image], options, (mount) => use(mount, new Control(mount)));
}

/** Words of a program that reads `count` blocks with one request each. */
const reads = (mount: SluiceMount, count: number): string[] => [
  'dd',
  `if=${mount.file()}`,
  'of=/dev/null',
  'bs=4k',
  `count=${count}`,
  'iflag=direct',
  'status=none',
];

async function rios(control: Control, group: string, member: string): Promise<number> {
  return (await control.figures(group, member))?.rios ?? -1;
}

userTest('a caller is charged by uid before gid before image', async (t) => {
  await withGroups(t, ['--assign', 'gid:4322=a', '--assign', 'uid:4321=b'], async (mount, c) => {
    chmodSync(join(mount.point, '..'), 0o755);
    const as = (uid: number, gid: number, count: number) => {
      const ids = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=-all'];
      const keep = ['--ambient-caps=-all', ...reads(mount, count)];
      return must('setpriv', [...ids, ...keep]);
    };
    await as(4321, 4322, 3);
    await as(4320, 4322, 5);
    await as(4320, 4320, 7);
    t.is(await rios(c, 'b', 'uid:4321'), 3);
    t.is(await rios(c, 'a', 'gid:4322'), 5);
    t.is(await rios(c, 'image', 'disk'), 7);
    t.is(await rios(c, '', 'total'), 15);
  });
});

mountTest('a process is charged by its number, for as long as it lives', async (t) => {
  await withGroups(t, [], async (mount, control) => {
    const script = `echo pid:$$ > ${control.path('a/members')}; exec ${reads(mount, 9).join(' ')}`;
    await must('sh', ['-ec', script]);
    t.is(await rios(control, 'a', 'total'), 9);
    // The process has ended: its rule is gone, and the group can be removed.
    t.is(await control.read('a/members'), '');
    await must(reads(mount, 2)[0]!, reads(mount, 2).slice(1));
    t.is(await rios(control, 'image', 'disk'), 2);
    await control.must('rmdir a');
  });
});

fioTest('threads, and the kernel’s workers of io_uring, are their process', async (t) => {
  await withGroups(t, [], async (mount, control) => {
    const runs = [
      ['ioengine=psync', 'numjobs=4', 'thread', 'group_reporting'],
      ['ioengine=io_uring', 'iodepth=8', 'force_async=1'],
    ];
    for (const words of runs) {
      const before = await rios(control, 'a', 'total');
      const options = ['rw=randread', 'bs=4k', 'size=4m', ...words].map((word) => `--${word}`);
      const fioLine = `fio --name=x --filename=${mount.file()} --direct=1 ${options.join(' ')}`;
      const script = `echo pid:$$ > ${control.path('a/members')}; exec ${fioLine}`;
      // As one process: --thread makes fio's jobs threads.
      await must('sh', ['-ec', `${script} --thread`]);
      const expected = words[0] === 'ioengine=psync' ? 4096 : 1024;
      t.is((await rios(control, 'a', 'total')) - before, expected, words.join(' '));
    }
  });
});

/** The folder of a writable cgroup hierarchy; null if there is none. */
function cgroupRoot(kind: 'v1' | 'v2'): { folder: string; prefix: string } | null {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const v1 = / - cgroup \S+ \S*\bpids\b/;
  const line = lines.find((one) => (kind === 'v2' ? / - cgroup2 /.test(one) : v1.test(one)));
  const folder = line?.split(' ')[4];
  const prefix = line?.split(' ')[3] ?? '/';
  return folder !== undefined && existsSync(folder) ? { folder, prefix } : null;
}

for (const kind of ['v2', 'v1'] as const) {
  mountTest(`callers in a cgroup of ${kind}, or below it, are charged to its group`, async (t) => {
    const root = cgroupRoot(kind);
    if (root === null) {
      t.log(`skipped: no cgroup ${kind} to use here`);
      t.pass();
      return;
    }
    const name = `sluice-test-${process.pid}`;
    const folder = join(root.folder, name);
    makeCgroup(t, folder);
    makeCgroup(t, join(folder, 'below'));
    const rule = join(root.prefix, name);
    await withGroups(t, ['--assign', `cgroup:${rule}=a`], async (mount, control) => {
      const inside = (where: string, count: number) => {
        const enter = `echo $$ > ${join(where, 'cgroup.procs')}`;
        return must('sh', ['-ec', `${enter}; exec ${reads(mount, count).join(' ')}`]);
      };
      await inside(folder, 3);
      await inside(join(folder, 'below'), 4);
      await must('dd', reads(mount, 5).slice(1));
      t.is(await rios(control, 'a', `cgroup:${rule}`), 7);
      t.is(await rios(control, 'image', 'disk'), 5);
      // The longest path counts.
      await control.must(`echo cgroup:${rule}/below > b/members`);
      await inside(join(folder, 'below'), 6);
      t.is(await rios(control, 'b', `cgroup:${rule}/below`), 6);
    });
  });

  mountTest(`a process that changes its cgroup of ${kind} is charged anew`, async (t) => {
    const root = cgroupRoot(kind);
    if (root === null) {
      t.log(`skipped: no cgroup ${kind} to use here`);
      t.pass();
      return;
    }
    const folder = join(root.folder, `sluice-test-move-${process.pid}`);
    makeCgroup(t, folder);
    const rule = join(root.prefix, `sluice-test-move-${process.pid}`);
    await withGroups(t, ['--assign', `cgroup:${rule}=a`], async (mount, control) => {
      const child = spawn('sh', ['-c', `while ${reads(mount, 1).join(' ')}; do :; done`]);
      t.teardown(() => {
        child.kill('SIGKILL');
      });
      while ((await rios(control, 'image', 'disk')) < 1);
      t.is(await rios(control, 'a', 'total'), 0);
      writeFileSync(join(folder, 'cgroup.procs'), String(child.pid));
      // Plane/thread-cache.test.ts says how soon. Here it would never come if the kernel hid the change.
      while ((await rios(control, 'a', 'total')) < 1);
      writeFileSync(join(root.folder, 'cgroup.procs'), String(child.pid));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
    });
  });
}

fioTest('a limit by uid holds across images, whatever the groups of the images', async (t) => {
  await withGroups(t, ['--group', 'me:iops=1000', '--assign', 'uid:0=me'], async (mount) => {
    const job = await fio(
      mount.file(),
      ...['rw=randread', 'bs=4k', 'size=16m', 'iodepth=16', 'time_based', 'runtime=2'],
    );
    // Only a busy machine makes it less; without the rule it is a hundred times as much.
    t.true(job.read.iops < 1030 && job.read.iops > 50, `${job.read.iops}`);
  });
});
