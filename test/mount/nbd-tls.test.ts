import { constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FileAgent } from '../helpers/file-agent.js';
import { makeCertificates, NbdServer } from '../helpers/nbd-server.js';
import { descriptorsOf, eventually } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { MIB, pattern, patternFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const { O_RDWR } = constants;
const tlsTest = requires('fuse', 'root', 'io_uring', 'nbdkit', 'openssl');
const SIZE = 4 * MIB;

/** A server that takes nobody without TLS. */
function secureServer(t: ExecutionContext, ...filters: string[]) {
  const folder = tempFolder(t);
  makeCertificates(folder);
  const path = patternFile(join(folder, 'disk.img'), SIZE);
  const secure = ['--tls=require', `--tls-certificates=${folder}`];
  const server = NbdServer.nbdkit(t, ...secure, ...filters, 'file', path);
  const uri = `${server.uri.replace('nbd+', 'nbds+')}&tls-certificates=${folder}`;
  return { server, path, uri };
}

/**
 * Mounts, uses, and unmounts. A thread stays that has made connections by TLS, for as long as there may be one; `steady` waits
 * until there are no more descriptors than at its first call.
 */
async function withSteadyMount(
  t: ExecutionContext,
  images: readonly string[],
  words: readonly string[],
  use: (mount: SluiceMount, steady: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const mount = await startMount(t, images, words);
  const count = (): number => descriptorsOf(mount.pid).length;
  let most = Number.POSITIVE_INFINITY;
  await use(mount, async () => {
    t.true(await eventually(() => count() <= most), `${count()} descriptors, not ${most}`);
    most = Math.min(most, count());
  });
  const ended = await mount.umount();
  t.is(ended.code, 0, ended.stderr);
  await mount.checkGone(t, /connecting again|TLS/);
}

for (const transport of ['uring', 'fuse-native'] as const) {
  tlsTest(`an export is reached by TLS, and again after a loss (${transport})`, async (t) => {
    const { server, path, uri } = secureServer(t);
    const agent = new FileAgent(t);
    await withSteadyMount(t, [`disk=${uri}`], ['--transport', transport], async (mount, steady) => {
      sameBytes(t, readFileSync(mount.file()), readFileSync(path));
      const expected = readFileSync(path);
      const fd = await agent.open(mount.file(), O_RDWR);
      let [writes, isOver] = [0, false];
      const load = (async () => {
        for (; !isOver; writes++) {
          const at = (writes * 397 * 4096 + 100) % (SIZE - 70_000);
          const noise = pattern(writes % 2 === 0 ? 70_000 : 5000, writes);
          if ((await agent.write(fd, at, noise)) !== noise.length) return false;
          noise.copy(expected, at);
        }
        return true;
      })();
      for (let kills = 1; kills <= 3; kills++) {
        const before = writes;
        await eventually(() => writes > before + 5);
        await server.kill();
        server.start();
        t.true(await eventually(() => mount.log.split('connected again').length > kills));
        await steady();
      }
      isOver = true;
      t.true(await load);
      sameBytes(t, (await agent.read(fd, MIB, MIB)).bytes, expected.subarray(MIB, 2 * MIB));
      await agent.close(fd);
      sameBytes(t, readFileSync(mount.file()), expected);
      sameBytes(t, readFileSync(path), expected);
    });
  });

  tlsTest(`exports come and go by TLS (${transport})`, async (t) => {
    const { server, path, uri } = secureServer(t);
    const agent = new FileAgent(t);
    await withSteadyMount(t, [], ['--empty', '--transport', transport], async (mount, steady) => {
      for (let round = 0; round < 2; round++) {
        const came = await warmSluice(['attach', mount.point, `web=${uri}`]);
        t.is(came.code, 0, came.stderr);
        sameBytes(t, readFileSync(mount.file('web')), readFileSync(path));
        // The thread that opened it may end when nothing needs it.
        await server.kill();
        server.start();
        const fd = await agent.open(mount.file('web'), O_RDWR);
        const noise = pattern(100_000, 50 + round);
        t.is(await agent.write(fd, 1000, noise), 100_000);
        await agent.close(fd);
        const gone = await warmSluice(['detach', mount.point, 'web']);
        t.is(gone.code, 0, gone.stderr);
        sameBytes(t, readFileSync(path).subarray(1000, 101_000), noise);
        await steady();
      }
      const plain = await warmSluice(['attach', mount.point, `web=${server.uri}`]);
      t.regex(plain.stderr, /the server wants TLS; use nbds:/);
      const unknown = uri.replace(/&.*/, '');
      const refused = await warmSluice(['attach', mount.point, `web=${unknown}`]);
      t.is(refused.code, 1);
      t.regex(refused.stderr, /TLS: .*certificate/);
    });
  });
}
