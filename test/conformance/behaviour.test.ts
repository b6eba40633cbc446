import { constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { fio, fioWords } from '../helpers/fio.js';
import { untilQueued } from '../helpers/group-files.js';
import { eventually, isAlive, mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child, must, run } from '../helpers/run.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { TRANSPORTS, type TransportUnderTest } from './mounted-variant.js';

// What a mount does besides reads and writes; the same list for every transport.

type Behaviour = (t: ExecutionContext, transport: TransportUnderTest) => Promise<void>;

const STUCK = ['--group', 'slow:iops=1', '--assign', 'disk=slow'];

function image(t: ExecutionContext, name = 'disk'): string {
  return patternFile(join(tempFolder(t), `${name}.img`), 4 * MIB);
}

function by(transport: TransportUnderTest, ...words: string[]): string[] {
  return ['--transport', transport.name, ...words];
}

/** Readers of which so many wait in the group `slow`; ended with the test. */
async function waiters(t: ExecutionContext, mount: SluiceMount, count: number): Promise<Child> {
  const depth = `iodepth=${count + 8}`;
  const words = ['rw=randread', 'bs=4k', 'size=4m', 'time_based', 'runtime=60', depth];
  const child = new Child('fio', fioWords(mount.file(), ...words));
  t.teardown(() => {
    child.process.kill('SIGKILL');
  });
  await untilQueued(mount, 'slow', count);
  return child;
}

const manyImages: Behaviour = async (t, transport) => {
  const images = Array.from({ length: 30 }, (_, i) =>
    patternFile(join(tempFolder(t), `i${i}.img`), 64 << 10, i + 1),
  );
  await withMount(t, images, by(transport), async (mount) => {
    const names = (await must('ls', [mount.point])).trim().split('\n');
    t.deepEqual(names, images.map((_, i) => `i${i}.raw`).sort());
    for (const [i, path] of images.entries()) await must('cmp', [path, mount.file(`i${i}`)]);
  });
};

const controlTree: Behaviour = async (t, transport) => {
  const words = by(transport, '--group', 'a:iops=7', '--assign', 'disk=a');
  await withMount(t, [image(t)], words, async (mount) => {
    const file = (name: string) => join(mount.point, '.groups', name);
    t.regex(await must('cat', [file('a/io.max')]), /^rbps=max wbps=max .*iops=7/);
    t.is(await must('cat', [file('a/members')]), 'disk\n');
    t.regex(await must('cat', [file('daemon')]), new RegExp(`^transport ${transport.name}$`, 'm'));
  });
};

const errors: Behaviour = async (t, transport) => {
  await withMount(t, [image(t)], by(transport), async (mount) => {
    const agent = new FileAgent(t);
    const missing = join(mount.point, 'missing');
    t.is(await agent.open(missing, constants.O_RDONLY), -ERRNO.ENOENT);
    t.is(await agent.open(missing, constants.O_RDWR | constants.O_CREAT), -ERRNO.EPERM);
    t.is(await agent.open(mount.point, constants.O_RDWR), -ERRNO.EISDIR);
    const refused = { rm: [mount.file()], mkdir: [missing], ln: ['-s', 'x', missing] };
    for (const [command, words] of Object.entries(refused)) {
      t.regex((await run(command, words)).stderr, /Operation not permitted/, command);
    }
    t.regex((await run('chmod', ['600', mount.file()])).stderr, /Operation not permitted/);
    t.is((await run('touch', [mount.file()])).code, 0);
  });
};

const mapping: Behaviour = async (t, transport) => {
  const path = image(t);
  await withMount(t, [path], by(transport), async (mount) => {
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), constants.O_RDWR);
    const bytes = Buffer.alloc(10_000, 'm');
    t.is(await agent.result({ call: 'mapWrite', fd, offset: 5000, bytes, msync: true }), 0);
    t.is(readFileSync(path).toString('latin1', 5000, 15_000), 'm'.repeat(10_000));
    await agent.close(fd);
  });
};

const pageCache: Behaviour = async (t, transport) => {
  const path = image(t);
  await withMount(t, [path], by(transport, '--cache', 'page'), async (mount) => {
    await must('cmp', [path, mount.file()]);
    t.is(await must('cat', [join(mount.point, '.groups', 'members')]), 'disk\n');
  });
};

const rate: Behaviour = async (t, transport) => {
  const path = patternFile(join(tempFolder(t, TMPFS), 'disk.img'), 16 * MIB);
  const words = by(transport, '--group', 'g:iops=500', '--assign', 'disk=g');
  await withMount(t, [path], words, async (mount) => {
    const options = ['rw=randread', 'bs=4k', 'size=16m', 'time_based', 'runtime=4', 'iodepth=32'];
    const { read } = await fio(mount.file(), ...options, 'ramp_time=0.5');
    t.log(`${read.iops} requests a second`);
    t.true(Math.abs(read.iops / 500 - 1) < 0.02, `${read.iops}`);
  });
};

const isolation: Behaviour = async (t, transport) => {
  const images = [image(t), `free=${image(t)}`];
  const mount = await startMount(t, images, by(transport, ...STUCK));
  const readers = await waiters(t, mount, 64);
  const words = [`if=${mount.file('free')}`, 'of=/dev/null', 'bs=4k', 'count=1000'];
  await must('dd', [...words, 'iflag=direct'], { limitMs: 5000 });
  await endByForce(t, mount, readers);
};

async function endByForce(t: ExecutionContext, mount: SluiceMount, readers: Child) {
  const ended = await mount.umount('--force');
  t.is(ended.code, 0, ended.stderr);
  t.false((await readers.within(5000)).timedOut, 'who waited has ended');
  await mount.checkGone(t, /: in use/);
}

const exhaustion: Behaviour = async (t, transport) => {
  const mount = await startMount(t, [image(t)], by(transport, ...STUCK));
  const readers = await waiters(t, mount, 1500);
  t.is((await must('stat', ['-c', '%s', mount.file()])).trim(), String(4 * MIB));
  await endByForce(t, mount, readers);
};

const interrupt: Behaviour = async (t, transport) => {
  const words = by(transport, '--group', 's:bps=2048', '--assign', 'disk=s');
  const mount = await startMount(t, [image(t)], words);
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), constants.O_RDONLY);
  t.is((await agent.read(fd, 0, 8192)).result, 8192); // four seconds of debt
  agent.read(fd, 0, 4096).catch(() => {});
  await untilQueued(mount, 's', 1);
  process.kill(agent.pid, 'SIGKILL');
  const gone = await eventually(1000, () => !isAlive(agent.pid));
  t.is(gone, !transport.noInterrupt);
  t.true(await eventually(8000, () => !isAlive(agent.pid)), 'its turn ends it in any case');
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t);
};

const terminate: Behaviour = async (t, transport) => {
  const words = by(transport, '--group', 'slow:bps=1', '--assign', 'disk=slow');
  const mount = await startMount(t, [image(t)], words);
  // The first one may go at once; the other waits for more than an hour.
  const agents = [new FileAgent(t), new FileAgent(t)];
  const path = mount.file();
  const fds = await Promise.all(agents.map((agent) => agent.open(path, constants.O_RDONLY)));
  const reads = agents.map(async (agent, i) => {
    const { result } = await agent.read(fds[i]!, i * 4096, 4096);
    await agent.close(fds[i]!);
    return result;
  });
  await untilQueued(mount, 'slow', 1);
  process.kill(mount.pid, 'SIGTERM');
  t.deepEqual(await Promise.all(reads), [4096, 4096]);
  t.true(await eventually(5000, () => !isAlive(mount.pid)));
  await mount.checkGone(t, /: in use/);
};

const crash: Behaviour = async (t, transport) => {
  const mount = await startMount(t, [image(t)], by(transport));
  const agent = new FileAgent(t);
  const fd = await agent.open(mount.file(), constants.O_RDONLY);
  process.kill(mount.pid, 'SIGKILL');
  t.true(await eventually(5000, () => !isAlive(mount.pid)));
  // A request that the daemon had taken is aborted; then nobody is there.
  const size = await agent.size(mount.file());
  t.true([-ERRNO.ECONNABORTED, -ERRNO.ENOTCONN].includes(size), `${size}`);
  await agent.close(fd);
  t.is((await mount.umount()).code, 0);
  t.deepEqual(mountsAt(mount.point), []);
};

const outside: Behaviour = async (t, transport) => {
  const mount = await startMount(t, [image(t)], by(transport));
  await must('umount', [mount.point]);
  t.true(await eventually(5000, () => !isAlive(mount.pid)));
  await mount.checkGone(t);
};

const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  'thirty images are thirty files': manyImages,
  'the control tree says what was asked for': controlTree,
  'what cannot be done says so with its errno': errors,
  'a mapped file reaches the host': mapping,
  'with the page cache, disks and control files read right': pageCache,
  'a limit holds within 2 % over four seconds': rate,
  '64 requests that wait do not stop another image': isolation,
  'with 1500 requests waiting the mount still answers': exhaustion,
  'kill -9 of who waits ends it at once, or with its turn': interrupt,
  'SIGTERM lets a request that waits go, and ends the daemon': terminate,
  'after kill -9 of the daemon files say ENOTCONN': crash,
  'umount(8) from outside ends the daemon': outside,
};

for (const transport of TRANSPORTS) {
  const ring = transport.name === 'uring' ? (['io_uring'] as const) : [];
  const test = requires('fuse', 'root', 'fio', ...ring);
  for (const [title, behaviour] of Object.entries(BEHAVIOURS)) {
    test(`${transport.name}: ${title}`, (t) => behaviour(t, transport));
  }
}
