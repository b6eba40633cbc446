import { accessSync, constants, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { NbdServer } from '../helpers/nbd-server.js';
import { eventually, isAlive } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, sluice } from '../helpers/run.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { forceAway, type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, pattern, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const { O_RDWR } = constants;
const nbdTest = requires('fuse', 'root', 'io_uring', 'nbdkit', 'qemu');
const SIZE = 8 * MIB;

for (const transport of ['uring', 'fuse-native'] as const) {
  nbdTest(`what was read comes from the cache, also after a mount (${transport})`, async (t) => {
    const folder = tempFolder(t);
    const path = patternFile(join(folder, 'disk.img'), SIZE);
    const cache = join(folder, 'cache');
    const trigger = join(folder, 'fails');
    // While the trigger is there, the server gives nothing.
    const errors = ['--filter=error', 'error-pread=EIO', 'error-pread-rate=100%'];
    const server = NbdServer.nbdkit(t, 'file', path, ...errors, `error-file=${trigger}`);
    const words = ['--transport', transport, '--cache-file', cache, '--direct'];
    const agent = new FileAgent(t);
    const noise = pattern(100_000, 3);
    await withMount(t, [`disk=${server.uri}`], words, async (mount) => {
      sameBytes(t, readFileSync(mount.file()), readFileSync(path));
      writeFileSync(trigger, '');
      sameBytes(t, readFileSync(mount.file()), readFileSync(path));
      rmSync(trigger);
    });
    t.true(statSync(cache).blocks * 512 >= SIZE);
    await withMount(
      t,
      [`disk=${server.uri}`],
      words,
      async (mount) => {
        writeFileSync(trigger, '');
        sameBytes(t, readFileSync(mount.file()), readFileSync(path));
        const fd = await agent.open(mount.file(), O_RDWR);
        t.is(await agent.write(fd, 5 * MIB + 100, noise), 100_000);
        // What was written is the server's.
        t.is((await agent.read(fd, 5 * MIB, 8192)).result, -ERRNO.EIO);
        t.is((await agent.read(fd, 4 * MIB + 77, 8192)).result, 8192);
        rmSync(trigger);
        t.is(await agent.result({ call: 'fsync', fd }), 0);
        sameBytes(t, (await agent.read(fd, 5 * MIB + 100, 100_000)).bytes, noise);
        await agent.close(fd);
        sameBytes(t, readFileSync(mount.file()), readFileSync(path));
      },
      /READ: .*EIO/,
    );
    sameBytes(t, readFileSync(path).subarray(5 * MIB + 100, 5 * MIB + 100_100), noise);
  });
}

for (const transport of ['uring', 'fuse-native'] as const) {
  nbdTest(`with pages cached the kernel reads far ahead of an export (${transport})`, async (t) => {
    const folder = tempFolder(t);
    const local = sparseFile(join(folder, 'local.img'), MIB);
    const server = NbdServer.nbdkit(t, 'file', patternFile(join(folder, 'disk.img'), MIB));
    const [far, words] = [`far=${server.uri}`, ['--transport', transport, '--cache', 'page']];
    const checkFar = async (mount: SluiceMount): Promise<void> => {
      const told = /the kernel reads little ahead of programs; as root: echo 4096 > /;
      const path = await readAheadOf(mount);
      if (canWrite(path)) t.is(readFileSync(path, 'latin1'), '4096\n');
      else t.true(await mount.tells(told));
      sameBytes(t, readFileSync(mount.file('far')), pattern(MIB, 1));
    };
    await withMount(t, [far], words, checkFar);
    await withMount(t, [local], words, async (mount) => {
      t.not(readFileSync(await readAheadOf(mount), 'latin1'), '4096\n');
      const came = await warmSluice(['attach', mount.point, far]);
      t.is(came.code, 0, came.stderr);
      await checkFar(mount);
      const gone = await warmSluice(['detach', mount.point, 'far']);
      t.is(gone.code, 0, gone.stderr);
    });
  });
}

async function readAheadOf({ point }: SluiceMount): Promise<string> {
  const device = await must('mountpoint', ['-d', point]);
  return `/sys/class/bdi/${device.trim()}/read_ahead_kb`;
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

nbdTest('a mount that is killed while it writes leaves a cache that is right', async (t) => {
  const folder = tempFolder(t);
  const path = patternFile(join(folder, 'disk.img'), SIZE);
  const words = ['--cache-file', join(folder, 'cache')];
  const server = NbdServer.nbdkit(t, 'file', path);
  const image = `disk=${server.uri}`;
  for (const writes of [3, 40, 90]) {
    const mount = await startMount(t, [image], words);
    sameBytes(t, readFileSync(mount.file()), readFileSync(path));
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), O_RDWR);
    let done = 0;
    const writing = (async () => {
      for (; ; done++) {
        const at = (done * 397 * 4096 + 2048) % (SIZE - 16_384);
        if ((await agent.write(fd, at, pattern(8192, done + writes))) < 0) return;
        await agent.read(fd, (done * 131 * 4096) % (SIZE - 65_536), 65_536);
      }
    })();
    await eventually(() => done >= writes);
    process.kill(mount.pid, 'SIGKILL');
    await writing;
    await forceAway(mount.point);
    await eventually(() => !isAlive(mount.pid));
    await withMount(t, [image], words, async (again) => {
      sameBytes(t, readFileSync(again.file()), readFileSync(path));
    });
  }
});

nbdTest('a cache comes and goes with its image, below an overlay too', async (t) => {
  const folder = tempFolder(t);
  const path = patternFile(join(folder, 'disk.img'), MIB);
  const cache = join(folder, 'cache');
  const server = NbdServer.nbdkit(t, 'file', path);
  const image = `web=${server.uri}`;
  await withMount(
    t,
    [],
    ['--empty'],
    async (mount) => {
      for (let round = 0; round < 2; round++) {
        const came = await warmSluice(['attach', mount.point, image, '--cache-file', cache]);
        t.is(came.code, 0, came.stderr);
        sameBytes(t, readFileSync(mount.file('web')), readFileSync(path));
        const other = `other=${server.uri}`;
        const locked = await warmSluice(['attach', mount.point, other, '--cache-file', cache]);
        t.not(locked.code, 0);
        const gone = await warmSluice(['detach', mount.point, 'web']);
        t.is(gone.code, 0, gone.stderr);
      }
      const local = sparseFile(join(folder, 'local.img'), MIB);
      const none = await warmSluice(['attach', mount.point, local, '--cache-file', cache]);
      t.is(none.code, 2);
      t.regex(none.stderr, /--cache-file: .*local.img is on no NBD server; leave it out/);
    },
    /given twice|the same image|cache/,
  );
  const over = ['--overlay', join(folder, 'over.qcow2'), '--cache-file', cache];
  const noise = pattern(4096, 5);
  const before = readFileSync(path);
  for (const words of [over, ['--overlay=discard', '--cache-file', cache]]) {
    await withMount(t, [image], words, async (mount) => {
      for (let round = 0; round < 2; round++) {
        sameBytes(t, readFileSync(mount.file('web')), before);
        writeFileSync(mount.file('web'), noise, { flag: 'r+' });
        sameBytes(t, readFileSync(mount.file('web')).subarray(0, 4096), noise);
        const reset = await warmSluice(['overlay', 'reset', mount.point, 'web']);
        t.is(reset.code, 0, reset.stderr);
      }
      sameBytes(t, readFileSync(mount.file('web')), before);
      const shown = await warmSluice(['stat', mount.point]);
      t.regex(shown.stdout, /^web: .*cache: 1 MiB kept, .* read from it, .* from the server$/m);
    });
  }
  sameBytes(t, readFileSync(path), before);
  const qcow2 = join(folder, 'disk.qcow2');
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', qcow2, '1M']);
  const tables = NbdServer.nbdkit(t, 'file', qcow2);
  const near = ['--format', 'qcow2', '--cache-file', join(folder, 'near')];
  await withMount(t, [`web=${tables.uri}`], [...near, '--read-only'], async (mount) => {
    sameBytes(t, readFileSync(mount.file('web')), Buffer.alloc(MIB));
  });
  writeFileSync(cache, 'my diary');
  const point = join(folder, 'mnt');
  await must('mkdir', [point]);
  const log = join(folder, 'log');
  const refused = await sluice(['mount', image, point, '--cache-file', cache, '--log', log]);
  t.is(refused.code, 3);
  t.regex(refused.stderr, /cache: is no cache of an NBD export; name another file, or remove it/);
  t.is(readFileSync(cache, 'utf8'), 'my diary');
  const written = await sluice(['mount', `web=${tables.uri}`, point, ...near, '--log', log]);
  t.is(written.code, 2);
  t.regex(written.stderr, /tables of qcow2 on .* are written without it; use --read-only or/);
});

nbdTest('a full disk for the cache ends its growing, and no request', async (t) => {
  const folder = tempFolder(t);
  const small = join(folder, 'small');
  await must('mkdir', [small]);
  await must('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  t.teardown(() => must('umount', ['-l', small]));
  const path = patternFile(join(folder, 'disk.img'), SIZE);
  const server = NbdServer.nbdkit(t, 'file', path);
  await withMount(
    t,
    [`disk=${server.uri}`],
    ['--cache-file', join(small, 'cache')],
    async (mount) => {
      for (let round = 0; round < 2; round++) {
        sameBytes(t, readFileSync(mount.file()), readFileSync(path));
      }
      t.true(await mount.tells(/cache: no space is left there.*: nothing more is kept/));
    },
    /nothing more is kept in this cache/,
  );
});
