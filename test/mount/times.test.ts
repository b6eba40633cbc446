import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { GroupJson } from '../../src/control/json.js';
import { askMount } from '../../src/server/api-client.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const TIMES = 6;
const PAUSE_MS = 100;
const CALLS = {
  write: (file: number, bytes: Buffer, at: number) => writeSync(file, bytes, 0, bytes.length, at),
  read: (file: number, bytes: Buffer, at: number) => readSync(file, bytes, 0, bytes.length, at),
};

/** The root group, from the memory that the data plane shares: this does not wake it. */
async function rootOf(point: string): Promise<GroupJson> {
  const asked = { method: 'GET', path: '/v1/stat', limitMs: IN_THE_END_MS };
  const told = await askMount<{ groups: GroupJson[] }>(point, asked);
  return told!.groups[0]!;
}

for (const [where, base] of [
  ['in memory', TMPFS],
  ['on a disk', undefined],
] as const) {
  requires(
    'fuse',
    'root',
    'io_uring',
  )(
    `${where} a request takes as long as its caller waits, whenever the next one comes`,
    async (t) => {
      const folder = tempFolder(t, base);
      const image = sparseFile(join(folder, 'disk.img'), MIB);
      await withMount(t, [image], ['--transport', 'uring'], async (mount) => {
        const file = openSync(mount.file(), 'r+');
        const bytes = Buffer.alloc(4096, 1);
        const longest = { write: 0, read: 0 };
        for (let at = 0; at < TIMES; at++) {
          for (const kind of ['write', 'read'] as const) {
            const began = performance.now();
            CALLS[kind](file, bytes, at * bytes.length);
            longest[kind] = Math.max(longest[kind], performance.now() - began);
            await delay(PAUSE_MS);
          }
        }
        const end = performance.now() + IN_THE_END_MS;
        let root = await rootOf(mount.point);
        while (root.total.inflight > 0 && performance.now() < end) {
          root = await rootOf(mount.point);
        }
        closeSync(file);
        t.is(root.total.inflight, 0);
        for (const kind of ['read', 'write'] as const) {
          const { requests, serviceUsec } = root.times[kind]!.mount;
          t.is(requests, TIMES);
          // A busy machine lets the daemon look at the clock later. What ends with the next request takes a pause longer.
          const most = 1000 * (longest[kind] + PAUSE_MS / 2);
          t.true(serviceUsec.max <= most, `${kind}: ${serviceUsec.max} us`);
        }
      });
    },
  );
}
