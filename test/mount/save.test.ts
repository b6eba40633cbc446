import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { askMount } from '../../src/server/api-client.js';
import { GPT, noisyDisk } from '../helpers/partition-disks.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { killed, type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

/** Images of several formats, most of which have something of their own. */
const IMAGES = `
  parts: {path: parts.img, read-only: true, faults: "read.error=1%,read.errno=ENOSPC,write.delay=20ms,seed=7"}
  vm: {path: vm.qcow2, overlay: vm-over.qcow2, growable: true, direct: false, metadata-cache: 2M}
  lab: {path: base.vmdk, format: vmdk, overlay: discard}
  "odd name: #1": {path: 'odd: #1.img', partitions: false, growable: true}
  old: {path: old.vhdx, read-only: true, partitions: true, sector-size: 4096, untrusted: true}
  snap: {path: snap.qcow2, snapshot: one, read-only: true}
`;

/** Every key that a group has. */
const GROUPS = `
  /: {depth: 48, cost: {linear: true}}
  team: {profile: all, weight: 70, latency: 25ms, min.iops: 20, min.bps: 1M}
  team/run: {profile: all, bps: 30M, members: [vm, "uid:7"]}
  team/build: {riops: 1000, burst.riops: 2000/10, iops_size: 16k, members: [parts.p1, "gid:8"]}
  cloud: {total_bytes_sec: 10485760, read_iops_sec: 300, read_iops_sec_max: 600, read_iops_sec_max_length: 5}
  sized: {per_gb.iops: 10/500, write_bytes_sec_per_gb: 1000, members: [lab, "cgroup:/a b/c", "odd\\\\040name:\\\\040#1"]}
`;

const OPTIONS = `
  owner: "7:8"
  mode: 0640
  allow-other: true
  metadata-cache: 8M
  nbd-timeout: 5
  nbd-connections: 2
  poll-us: 7
  cache: page
  verbose: true
  o: [noatime, nodev]
`;

/** What a mount is, in all that is not a figure or a time. */
async function stateOf(mount: SluiceMount): Promise<object> {
  const ask = async <T>(path: string): Promise<T> =>
    (await askMount<T>(mount.point, { method: 'GET', path, limitMs: IN_THE_END_MS }))!;
  const { groups } = await ask<{ groups: unknown }>('/v1/groups');
  const { partitions } = await ask<{ partitions: unknown }>('/v1/partitions');
  const { images } = await ask<{ images: Record<string, unknown>[] }>('/v1/images');
  const files = await must('bash', ['-c', 'cd "$0" && stat -c "%n %s %a %u:%g" *', mount.point]);
  const texts: Record<string, string> = {};
  for (const group of [
    '',
    'team',
    'team/run',
    'team/build',
    'cloud',
    'sized',
    'made',
    'made/below',
  ]) {
    for (const file of ['max', 'burst', 'per_gb', 'weight', 'min', 'latency']) {
      const path = join(mount.point, '.groups', group, `io.${file}`);
      texts[`${group} ${file}`] = readFileSync(path, 'utf8');
    }
  }
  const still = images.map(({ requests, allocated, ...rest }) => rest);
  return { groups, partitions, images: still, files, texts };
}

/** `sluice save`, without the place of the mount and its log. */
async function saved(t: ExecutionContext, mount: SluiceMount): Promise<string> {
  const { code, stdout, stderr } = await warmSluice(['save', mount.point]);
  t.like({ code, stderr }, { code: 0, stderr: '' });
  return stdout.replaceAll(mount.point, '/the/mount').replaceAll(mount.logPath, '/the/log');
}

async function reloaded(t: ExecutionContext, mount: SluiceMount): Promise<void> {
  const { code, stderr } = await warmSluice(['reload', mount.point]);
  // The command line has the place of the mount, and its log.
  const said = stderr.split('\n').filter((line) => !/^$| wins over /.test(line));
  t.deepEqual([code, said], [0, []]);
}

requires(
  'fuse',
  'root',
  'io_uring',
  'qemu',
  'sfdisk',
)(
  'a mount with everything is the same one after sluice save and sluice mount --config',
  async (t) => {
    const folder = tempFolder(t);
    const at = (name: string): string => join(folder, name);
    const make = (...words: string[]) => must('qemu-img', ['create', '-q', ...words]);
    noisyDisk(folder, GPT, 'parts.img');
    await make('-f', 'qcow2', at('vm.qcow2'), '8M');
    await make('-f', 'vmdk', at('base.vmdk'), '4M');
    await make('-f', 'vhdx', at('old.vhdx'), '4M');
    await make('-f', 'qcow2', at('snap.qcow2'), '4M');
    await must('qemu-img', ['snapshot', '-c', 'one', at('snap.qcow2')]);
    patternFile(at('odd: #1.img'), MIB);
    sparseFile(at('late.img'), 2 * MIB);
    const [first, second] = [at('first.yaml'), at('second.yaml')];
    const text = `images:${IMAGES}profiles:\n  all: {bps: 20M, wiops: 400}\ngroups:${GROUPS}options:${OPTIONS}`;
    writeFileSync(first, text.replace('cost: {linear: true}', 'cost: linear'));
    let before: object = {};
    let asked = '';
    await withMount(t, [], ['--config', first], async (mount) => {
      const done = async (...words: string[]): Promise<void> => {
        const { code, stderr } = await warmSluice(words);
        t.is(code, 0, `${words.join(' ')}: ${stderr}`);
      };
      const late = [`late=${at('late.img')}`, '--overlay', at('late-over.qcow2')];
      await done('attach', mount.point, ...late, '--growable');
      await done('set', mount.point, 'made/below', 'wbps=3M', 'member=late', '--create');
      await done('set', mount.point, 'team', 'weight=71', 'wiops=max');
      await done('set', mount.point, '/', 'depth=40');
      await done('faults', mount.point, 'late', 'write.delay=20ms', 'seed=3');
      await must('mkdir', [join(mount.point, '.groups/empty')]);
      await done('resize', mount.point, 'vm', '9M');
      before = await stateOf(mount);
      asked = await saved(t, mount);
      writeFileSync(second, asked);
      await done('config', 'check', second);
      // In the place of the file that was mounted, it says what is there already.
      writeFileSync(first, asked);
      await reloaded(t, mount);
      t.deepEqual(await stateOf(mount), before);
      t.is(mount.log.match(/ (at|de)tached /g)?.length, 1);
      // What was attached is open, which is no leak.
      await done('detach', mount.point, 'late');
    });
    await withMount(t, [], ['--config', second], async (mount) => {
      t.deepEqual(await stateOf(mount), before);
      t.is(await saved(t, mount), asked);
      // Nothing of the file is to be changed.
      await reloaded(t, mount);
      t.deepEqual(await stateOf(mount), before);
      t.notRegex(mount.log, / (at|de)tached /);
    });
  },
);

requires(
  'fuse',
  'root',
  'io_uring',
  'resend',
  'qemu',
)('an overlay of the command line stays one, also after the death of the daemon', async (t) => {
  const folder = tempFolder(t);
  const [vm, over] = [join(folder, 'vm.qcow2'), join(folder, 'over.qcow2')];
  const file = join(folder, 'saved.yaml');
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', vm, '8M']);
  const mount = await startMount(t, [vm], ['--overlay', over, '--keeper']);
  const asked = await saved(t, mount);
  t.regex(asked, new RegExp(`vm:\n {4}path: ${vm}\n {4}overlay: ${over}\n`));
  t.regex(asked, /keeper: true/);
  const next = await killed(t, mount);
  t.is(await saved(t, next), asked);
  t.is((await next.umount()).code, 0);
  writeFileSync(file, asked);
  await withMount(t, [], ['--config', file], async (again) => {
    t.is(await saved(t, again), asked);
    t.is((await warmSluice(['overlay', 'reset', again.point, 'vm'])).code, 0);
    t.is(await saved(t, again), asked);
  });
});
