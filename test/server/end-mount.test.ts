import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ownNamespace } from '../helpers/namespace.js';
import { mountTest } from '../helpers/requires.js';
import { Child, must, run, sluice } from '../helpers/run.js';
import { type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { sparseFile, tempFolder } from '../helpers/temp.js';

async function mountDisk(t: ExecutionContext, ...words: string[]): Promise<SluiceMount> {
  const image = join(tempFolder(t), 'disk.img');
  sparseFile(image, 1 << 20);
  return startMount(t, [image], words);
}

/** Starts a process that has the image's file open. */
async function holdOpen(t: ExecutionContext, mount: SluiceMount): Promise<number> {
  const fd = openSync(mount.file(), 'r');
  const holder = spawn('sleep', ['100'], { stdio: [fd, 'ignore', 'ignore'] });
  closeSync(fd);
  await once(holder, 'spawn');
  t.teardown(() => holder.kill('SIGKILL'));
  return holder.pid ?? 0;
}

mountTest('umount of a busy mount names who holds it and leaves it', async (t) => {
  const mount = await mountDisk(t);
  const pid = await holdOpen(t, mount);
  t.like(await mount.umount(), {
    code: 1,
    stdout: '',
    stderr: `sluice: umount: ${mount.point}: in use by sleep (pid ${pid}); close it or use --force\n`,
  });
  t.is((await sluice(['stat', mount.point])).code, 0);
});

mountTest('umount --force ends a busy mount and waits for the daemon', async (t) => {
  const mount = await mountDisk(t);
  await holdOpen(t, mount);
  t.like(await mount.umount('--force'), { code: 0, stdout: '', stderr: '' });
  // The log has a warning that files were open.
  await mount.checkGone(t, /files that are open see ENOTCONN/);
});

for (const transport of ['uring', 'fuse-native']) {
  mountTest(
    `${transport}: a mount that is bound elsewhere too is not unmounted but by force`,
    async (t) => {
      const mount = await mountDisk(t, '--transport', transport);
      const place = join(tempFolder(t), 'file');
      writeFileSync(place, '');
      await must('mount', ['--bind', mount.file(), place]);
      t.teardown(() => run('umount', ['-l', place]));
      t.like(await mount.umount(), {
        code: 1,
        stderr: `sluice: umount: ${mount.point}: also mounted at ${place}; unmount that first, or use --force\n`,
      });
      t.is((await sluice(['stat', mount.point])).code, 0);
      t.like(await mount.umount('--force'), { code: 0, stderr: '' });
      await mount.checkGone(t, /files that are open see ENOTCONN/);
    },
  );

  mountTest(
    `${transport}: a mount that lives on in another namespace is ended by its pid`,
    async (t) => {
      const mount = await mountDisk(t, '--transport', transport);
      const words = ['sh', '-c', 'echo ready; exec sleep 100'];
      const other = new Child('unshare', ownNamespace(words, mount.point));
      t.teardown(() => void other.process.kill('SIGKILL'));
      await other.line(/ready/);
      const { code, stderr } = await sluice(['umount', mount.point]);
      t.is(code, 1);
      t.regex(
        stderr,
        /unmounted here, but also mounted at .* \(pid [0-9]+\), so its daemon goes on/,
      );
      t.like(await sluice(['umount', '--force', String(mount.pid)]), { code: 0, stderr: '' });
      await mount.checkGone(t);
    },
  );
}

mountTest('umount --force of a pid that is no daemon of sluice is refused', async (t) => {
  t.like(await sluice(['umount', '--force', String(process.pid)]), {
    code: 4,
    stderr: `sluice: umount: ${process.pid}: no process of this number is a sluice daemon\n`,
  });
});

mountTest('a mount whose daemon hangs hangs no command', async (t) => {
  const mount = await mountDisk(t);
  process.kill(mount.pid, 'SIGSTOP');
  try {
    t.like(await sluice(['stat', mount.point]), {
      code: 1,
      stderr: `sluice: stat: ${mount.point}: its daemon does not answer\n`,
    });
    t.like(await mount.umount(), {
      code: 1,
      stderr: `sluice: umount: ${mount.point}: its daemon does not answer; use --force\n`,
    });
  } finally {
    process.kill(mount.pid, 'SIGCONT');
  }
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t);
});

mountTest('a dead mount is told by stat with code 5 and removed by umount', async (t) => {
  const mount = await mountDisk(t);
  process.kill(mount.pid, 'SIGKILL');
  // The kernel aborts the mount when the process has ended, not when the signal is sent.
  while ((await sluice(['stat', mount.point])).code !== 5);
  t.like(await sluice(['stat', mount.point]), {
    code: 5,
    stderr: `sluice: stat: ${mount.point}: its daemon is gone; remove the mount with sluice umount\n`,
  });
  t.like(await mount.umount(), {
    code: 0,
    stderr: `sluice: umount: ${mount.point}: its daemon was gone; the dead mount has been removed\n`,
  });
  await mount.checkGone(t);
});

mountTest('stat prints the groups, one of them, or refuses an unknown one', async (t) => {
  const mount = await mountDisk(t, '--group', 'slow:iops=1000', '--assign', 'disk=slow');
  const { code, stdout } = await sluice(['stat', mount.point, '--json']);
  t.is(code, 0);
  const all = JSON.parse(stdout);
  t.is(all.mountpoint, mount.point);
  t.is(all.daemon.pid, mount.pid);
  t.like(all.images[0], { name: 'disk', format: 'raw', size: 1 << 20, readOnly: false });
  t.deepEqual(
    all.groups.map((group: { path: string }) => group.path),
    ['/', 'slow'],
  );
  t.is(all.groups[1].limits.iops, 1000);
  t.is(all.groups[1].limits.bps, null);
  t.is(all.groups[1].members[0].name, 'disk');
  const one = JSON.parse((await sluice(['stat', mount.point, '/slow', '--json'])).stdout);
  t.deepEqual(one.groups, [all.groups[1]]);
  t.like(await sluice(['stat', mount.point, 'slwo']), {
    code: 2,
    stderr: 'sluice: stat: there is no group "slwo"; groups: /, slow\n',
  });
  t.is((await mount.umount()).code, 0);
});
