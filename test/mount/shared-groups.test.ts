import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mostBeyond, type Sample } from '../../tools/shared-hosts/samples.js';
import { fioWords } from '../helpers/fio.js';
import { eventually } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child, sluice } from '../helpers/run.js';
import { type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { StoreServer } from '../helpers/store-server.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const sharedTest = requires('fuse', 'root', 'io_uring', 'store', 'fio');

/** The words of `io.shared`. */
function shared(mount: SluiceMount): Record<string, string> {
  const text = readFileSync(join(mount.point, '.groups', 'gold', 'io.shared'), 'utf8');
  return Object.fromEntries(
    text
      .trim()
      .split(' ')
      .map((word) => word.split('=') as [string, string]),
  );
}

const granted = (mount: SluiceMount): number =>
  Number(/iops:([0-9]+)/.exec(shared(mount).granted!)![1]);

/** Reads that were admitted since the mount. */
function admitted(mount: SluiceMount): number {
  const text = readFileSync(join(mount.point, '.groups', 'gold', 'io.stat'), 'utf8');
  return Number(/^total .*\brios=([0-9]+)/m.exec(text)![1]);
}

sharedTest('two mounts share a limit, by demand, through faults of the store', async (t) => {
  const server = new StoreServer(t);
  await server.start();
  const folder = tempFolder(t);
  const words = [
    '--group',
    `gold:iops=1000,shared=valkey+unix:///gold?socket=${server.socket},safe=50`,
  ];
  const start = (name: string): Promise<SluiceMount> => {
    const image = patternFile(join(folder, `${name}.img`), 4 * MIB);
    return startMount(t, [`disk=${image}`], [...words, '--assign', 'disk=gold']);
  };
  const one = await start('one');
  const other = await start('other');
  // Before anybody wants anything, and while the store learns, the limit that is set is shown.
  const limit = readFileSync(join(one.point, '.groups', 'gold', 'io.max'), 'utf8');
  t.regex(limit, /iops=1000 /);
  t.true(await eventually(() => [one, other].every((mount) => shared(mount).peers === '2')));
  const load = (mount: SluiceMount): Child => {
    const job = ['rw=randread', 'bs=4k', 'iodepth=16', 'time_based', 'runtime=300'];
    return new Child('fio', fioWords(mount.file(), ...job));
  };
  const samples: Sample[] = [];
  /** Looks at the counters each time that something is waited for. */
  const after = (check: () => boolean): Promise<boolean> =>
    eventually(() => {
      const from = performance.now();
      const counts = [one, other].map(admitted);
      samples.push({ from, to: performance.now(), counts, granted: [] });
      return check();
    });
  const loads = [load(one)];
  try {
    // Who alone wants something gets nearly all, and the idle one keeps a little.
    t.true(await after(() => granted(one) > 990 && shared(one).state === 'granted'));
    loads.push(load(other));
    t.true(await after(() => granted(one) === 500 && granted(other) === 500));
    // On a busy machine a load wants less for a moment: until both want half again.
    const half = /"limits":\[\{"key":"iops","rate":[0-9.]+,"limit":500\}\].*"state":"granted"/;
    const top = () => sluice(['top', other.point, '--once', '--json']);
    let shown = await top();
    for (let tries = 1; tries < 50 && !half.test(shown.stdout); tries++) shown = await top();
    t.is(shown.code, 0);
    t.regex(shown.stdout, half);
    const begun = admitted(other);
    t.true(await after(() => admitted(other) > begun + 200));
    // The bound: 10 ms of the limit and a request of each host. A slow machine makes less of it, never more.
    t.true(mostBeyond(samples, 1000) <= 12);
    await server.kill();
    const isSafe = (mount: SluiceMount): boolean => {
      const { state, fault } = shared(mount);
      return state === 'safe' && fault === 'lost' && granted(mount) === 50;
    };
    t.true(await after(() => isSafe(one) && isSafe(other)));
    t.true(await one.tells(/gold: valkey\+unix:.*; the last grant holds until it expires/));
    await server.start();
    t.true(await after(() => granted(one) === 500 && granted(other) === 500));
    t.true(await one.tells(/answers again/));
    // Each may have been without a grant while the other had one.
    t.true(mostBeyond(samples, 1000 + 2 * 50) <= 13);
    const json = await sluice(['stat', one.point, 'gold', '--json']);
    const [group] = JSON.parse(json.stdout).groups;
    t.like(group.shared, { state: 'granted', peers: 2, fault: 'none' });
    // About half: on a busy machine a load wants less for a moment.
    t.true(group.shared.granted.iops > 50 && group.shared.granted.iops < 1000);
    t.is(group.shared.granted.bps, null);
    t.is(group.limits.iops, 1000);
  } finally {
    for (const child of loads) child.process.kill('SIGKILL');
    for (const child of loads) await child.within();
  }
  // Nobody's wish is above what is held, and a smaller limit counts for both.
  t.is((await sluice(['set', one.point, 'gold', 'iops=600'])).code, 0);
  t.true(await eventually(() => granted(one) + granted(other) <= 600));
  const burst = await sluice(['set', one.point, 'gold', 'burst.iops=2000/5']);
  t.is(burst.code, 2);
  t.regex(burst.stderr, /each of them would have the burst/);
  for (const mount of [other, one]) {
    t.is((await mount.umount()).code, 0);
    await mount.checkGone(t, /shared group gold/);
  }
});

sharedTest('a mount without its store begins, and has what is safe', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  const url = `valkey+unix:///gold?socket=${join(tempFolder(t), 'none')}`;
  const mount = await startMount(t, [`disk=${image}`], ['--group', `gold:iops=1000,shared=${url}`]);
  t.true(await eventually(() => shared(mount).fault === 'lost'));
  t.like(shared(mount), { state: 'starting', granted: 'iops:10', peers: '0', age_ms: '-' });
  t.is((await mount.umount()).code, 0);
  await mount.checkGone(t, /shared group gold/);
});
