import { constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { NbdServer } from '../helpers/nbd-server.js';
import { descriptorsOf, eventually } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, sluice } from '../helpers/run.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { withMount } from '../helpers/sluice-mount.js';
import { KIB, MIB, pattern, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const { O_RDWR } = constants;
const nbdTest = requires('fuse', 'root', 'io_uring', 'nbdkit', 'qemu');
const PUNCH = 3;
const TRANSPORTS = ['uring', 'fuse-native'] as const;

for (const transport of TRANSPORTS) {
  const words = ['--transport', transport];

  nbdTest(`an export is a disk of its own (${transport})`, async (t) => {
    const path = patternFile(join(tempFolder(t), 'disk.img'), 8 * MIB);
    const server = NbdServer.nbdkit(t, 'file', path);
    const agent = new FileAgent(t);
    await withMount(t, [`disk=${server.uri}`], words, async (mount) => {
      sameBytes(t, readFileSync(mount.file()), readFileSync(path));
      const fd = await agent.open(mount.file(), O_RDWR);
      const noise = pattern(3 * MIB, 7);
      for (let at = 0; at < noise.length; at += MIB) {
        const piece = noise.subarray(at, at + MIB);
        t.is(await agent.write(fd, 4 * MIB + 100 + at, piece), MIB);
      }
      t.is(await agent.result({ call: 'fsync', fd }), 0);
      // libfuse 2 does not pass on fallocate.
      const punched = transport === 'uring' ? 64 * KIB : 0;
      const range = { mode: PUNCH, offset: MIB, length: punched };
      if (punched > 0) t.is(await agent.result({ call: 'fallocate', fd, ...range }), 0);
      t.is(await agent.write(fd, 8 * MIB, noise.subarray(0, 1)), -ERRNO.ENOSPC);
      sameBytes(t, (await agent.read(fd, 4 * MIB + 100, MIB)).bytes, noise.subarray(0, MIB));
      await agent.close(fd);
      const expected = readFileSync(path);
      sameBytes(t, readFileSync(mount.file()), expected);
      t.true(expected.subarray(MIB, MIB + punched).every((byte) => byte === 0));
      sameBytes(t, expected.subarray(4 * MIB + 100, 7 * MIB + 100), noise);
    });
  });

  nbdTest(
    `a server that is killed under load loses nothing that was written (${transport})`,
    async (t) => {
      const path = sparseFile(join(tempFolder(t), 'disk.img'), 64 * MIB);
      // The cache is the server's own: what it has not flushed dies with it.
      const server = NbdServer.nbdkit(t, '--filter=cache', 'file', path, 'cache=writeback');
      await withMount(
        t,
        [`disk=${server.uri}`],
        words,
        async (mount) => {
          const fio = must('fio', [
            ...[
              '--name=nbd',
              `--filename=${mount.file()}`,
              '--rw=randwrite',
              '--bs=4k',
              '--size=16m',
            ],
            ...[
              '--iodepth=16',
              '--ioengine=libaio',
              '--direct=1',
              '--verify=crc32c',
              '--do_verify=1',
            ],
            ...['--io_size=16m', '--rate_iops=2000', '--randseed=7', '--verify_state_save=0'],
          ]);
          for (let kills = 0; kills < 3; kills++) {
            const before = mount.log.split('connected again').length;
            // Some writes go in between.
            await eventually(() => readFileSync(mount.file()).length > 0);
            await server.kill();
            server.start();
            await eventually(() => mount.log.split('connected again').length > before);
          }
          t.regex(await fio, /err= 0/);
        },
        /connecting again/,
      );
    },
  );
}

nbdTest('without a server requests wait, then fail, then work again', async (t) => {
  const path = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  const server = NbdServer.nbdkit(t, 'file', path);
  const agent = new FileAgent(t);
  await withMount(
    t,
    [`disk=${server.uri}`],
    ['--nbd-timeout', '1'],
    async (mount) => {
      const fd = await agent.open(mount.file(), O_RDWR);
      await server.kill();
      t.is((await agent.read(fd, 0, 4096)).result, -ERRNO.EIO);
      t.true(await mount.tells(/no connection for 1 s: requests fail with EIO until there is one/));
      server.start();
      await eventually(() => mount.log.includes('connected again'));
      // The main thread writes the log, and then tells the thread that carries requests out.
      let again = await agent.read(fd, 0, 4096);
      while (again.result === -ERRNO.EIO) again = await agent.read(fd, 0, 4096);
      sameBytes(t, again.bytes, readFileSync(path).subarray(0, 4096));
      await agent.close(fd);
    },
    /connecting again|no connection|EIO/,
  );
});

nbdTest('a format is read and written behind an export, and behind a backing file', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'disk.qcow2');
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', path, '16M']);
  await must('truncate', ['-s', '8M', path]);
  const server = NbdServer.nbdkit(t, 'file', path);
  const noise = pattern(MIB, 5);
  const agent = new FileAgent(t);
  await withMount(t, [`disk=${server.uri}`], ['--format', 'qcow2'], async (mount) => {
    const fd = await agent.open(mount.file(), O_RDWR);
    t.is(await agent.write(fd, 3 * MIB, noise), MIB);
    await agent.close(fd);
  });
  await must('qemu-img', ['check', '-q', path]);
  const raw = join(folder, 'flat.raw');
  await must('qemu-img', ['convert', '-O', 'raw', path, raw]);
  sameBytes(t, readFileSync(raw).subarray(3 * MIB, 4 * MIB), noise);
  // qemu-nbd reads the format itself, for an overlay on this host.
  const flat = NbdServer.qemu(t, '-r', '-f', 'qcow2', path);
  const overlay = join(folder, 'over.qcow2');
  await must('qemu-img', [
    'create',
    '-q',
    '-u',
    '-f',
    'qcow2',
    '-b',
    flat.uri,
    '-F',
    'raw',
    overlay,
    '16M',
  ]);
  await withMount(t, [overlay], ['--backing-file', flat.uri], async (mount) => {
    sameBytes(t, readFileSync(mount.file('over')), readFileSync(raw));
    const fd = await agent.open(mount.file('over'), O_RDWR);
    t.is(await agent.write(fd, 10, noise.subarray(0, 100)), 100);
    t.is((await agent.read(fd, 9, 1)).bytes[0], 0);
    await agent.close(fd);
  });
  const point = join(folder, 'mnt');
  await must('mkdir', [point]);
  const refused = await sluice([
    'mount',
    overlay,
    point,
    '--untrusted',
    '--log',
    join(folder, 'log'),
  ]);
  t.is(refused.code, 3);
  t.regex(
    refused.stderr,
    /it names the backing file nbd\+unix:.* and --untrusted takes only files/,
  );
  const named = await sluice(['info', overlay, '--untrusted', '--backing-file', flat.uri]);
  t.is(named.code, 0, named.stderr);
});

nbdTest('info and map tell what qemu-img tells', async (t) => {
  const path = sparseFile(join(tempFolder(t), 'disk.img'), 16 * MIB);
  await must('qemu-io', ['-f', 'raw', '-c', 'write -P 5 1M 64k', '-c', 'write -P 6 9M 1M', path]);
  const { uri } = NbdServer.nbdkit(t, 'file', path);
  const ours = await sluice(['map', uri, '--json']);
  const theirs = await must('qemu-img', ['map', '--output=json', '-f', 'raw', uri]);
  const ranges = (text: string) =>
    JSON.parse(text).map(({ start, length, zero }: Record<string, unknown>) => [
      start,
      length,
      zero,
    ]);
  t.deepEqual(ranges(ours.stdout), ranges(theirs));
  const info = JSON.parse((await sluice(['info', uri, '--json'])).stdout);
  t.deepEqual([info.format, info.virtualSize, info.problems], ['raw', 16 * MIB, []]);
});

nbdTest('a server that gives errors, and one that is slow, give errors and are slow', async (t) => {
  const words = ['--filter=error', '--filter=delay', 'memory', '1M', 'rdelay=10ms'];
  const server = NbdServer.nbdkit(t, ...words, 'error-pwrite=ENOSPC', 'error-pwrite-rate=100%');
  const agent = new FileAgent(t);
  await withMount(
    t,
    [`disk=${server.uri}`],
    [],
    async (mount) => {
      const fd = await agent.open(mount.file(), O_RDWR);
      t.is((await agent.read(fd, 0, 4096)).result, 4096);
      t.is(await agent.write(fd, 0, Buffer.alloc(4096)), -ERRNO.ENOSPC);
      await agent.close(fd);
      t.true(await mount.tells(/disk: WRITE: no space is left there/));
    },
    /ENOSPC/,
  );
});

nbdTest('the connections are closed when the mount ends', async (t) => {
  const server = NbdServer.nbdkit(t, 'memory', '1M');
  const sockets = () => descriptorsOf(server.pid).filter((one) => one.includes('socket')).length;
  const idle = sockets();
  await withMount(t, [`disk=${server.uri}`], ['--nbd-connections', '3'], async () => {
    // The server may not have closed yet what the mount command has closed.
    t.true(await eventually(() => sockets() === idle + 3), `${sockets()}`);
  });
  t.true(await eventually(() => sockets() === idle));
});

for (const transport of TRANSPORTS) {
  nbdTest(`exports come and go while the mount is used (${transport})`, async (t) => {
    const folder = tempFolder(t);
    const path = patternFile(join(folder, 'disk.img'), 4 * MIB);
    const server = NbdServer.nbdkit(t, 'file', path);
    const sockets = () => descriptorsOf(server.pid).filter((one) => one.includes('socket')).length;
    const idle = sockets();
    const agent = new FileAgent(t);
    const local = patternFile(join(folder, 'local.img'), MIB);
    await withMount(
      t,
      [local],
      ['--transport', transport, '--group', 'gold'],
      async (mount) => {
        for (let round = 0; round < 3; round++) {
          const web = `web=${server.uri}`;
          const came = await warmSluice(['attach', mount.point, web, '--assign', 'web=gold']);
          t.is(came.code, 0, came.stderr);
          sameBytes(t, readFileSync(mount.file('web')), readFileSync(path));
          sameBytes(t, readFileSync(mount.file('local')), readFileSync(local));
          const fd = await agent.open(mount.file('web'), O_RDWR);
          const noise = pattern(100_000, 50 + round);
          t.is(await agent.write(fd, 1000, noise), 100_000);
          const busy = await warmSluice(['detach', mount.point, 'web']);
          t.is(busy.code, 1, busy.stderr);
          await agent.close(fd);
          // What was lost on the way is sent again also for an export that came late.
          await server.kill();
          server.start();
          const gone = await warmSluice(['detach', mount.point, 'web']);
          t.is(gone.code, 0, gone.stderr);
          sameBytes(t, readFileSync(path).subarray(1000, 101_000), noise);
          t.true(await eventually(() => sockets() === idle));
        }
        const none = await warmSluice(['attach', mount.point, 'x=nbd+unix:///?socket=/nowhere']);
        t.is(none.code, 1);
        t.regex(none.stderr, /no server listens/);
      },
      /connecting again|no server listens/,
    );
  });
}

nbdTest('an export whose server is gone goes only by force, and is forgotten', async (t) => {
  const server = NbdServer.nbdkit(t, 'memory', '1M');
  const agent = new FileAgent(t);
  await withMount(
    t,
    [],
    ['--empty', '--nbd-timeout', '1'],
    async (mount) => {
      const came = await warmSluice(['attach', mount.point, `web=${server.uri}`]);
      t.is(came.code, 0, came.stderr);
      const fd = await agent.open(mount.file('web'), O_RDWR);
      t.is(await agent.write(fd, 0, pattern(4096, 1)), 4096);
      await agent.close(fd);
      await server.kill();
      const stays = await warmSluice(['detach', mount.point, 'web']);
      t.is(stays.code, 1);
      t.regex(stays.stderr, /cannot be flushed: .*; it stays attached/);
      const gone = await warmSluice(['detach', mount.point, 'web', '--force']);
      t.is(gone.code, 1);
      t.regex(gone.stderr, /could not be flushed: .*; they may be lost/);
      // Nobody connects any more, and the name is free.
      server.start();
      const again = await warmSluice(['attach', mount.point, `web=${server.uri}`]);
      t.is(again.code, 0, again.stderr);
      sameBytes(t, readFileSync(mount.file('web')), Buffer.alloc(MIB));
      const ended = await warmSluice(['detach', mount.point, 'web']);
      t.is(ended.code, 0, ended.stderr);
    },
    /connecting again|no connection|EIO|flushed|I\/O error/,
  );
});
