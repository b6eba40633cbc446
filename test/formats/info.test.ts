import { Maker } from '../../tools/lib/image-maker.js';
import { must, sluiceWords } from '../helpers/run.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuTest } from './needs.js';

const KIB = 1024;
const MIB = 1 << 20;

function makeChain(maker: Maker): string {
  maker.raw('base.img', 3 * MIB);
  maker.io('base.img', 'raw', 'write -P 1 0 1M');
  maker.create('middle.qcow2', '4M', '', '-b', 'base.img', '-F', 'raw');
  maker.io('middle.qcow2', 'qcow2', 'write -P 1 64k 64k', 'write -z 256k 128k');
  maker.io('middle.qcow2', 'qcow2', 'write -c -P 2 512k 64k');
  maker.create('top.qcow2', '6M', 'extended_l2=on', '-b', 'middle.qcow2', '-F', 'qcow2');
  maker.io('top.qcow2', 'qcow2', 'write -P 3 4M 6k', 'write -z 64k 64k');
  maker.img('snapshot', '-c', 'before', 'top.qcow2');
  return maker.path('top.qcow2');
}

interface QemuLayer {
  filename: string;
  'actual-size': number;
  'virtual-size': number;
}

qemuTest('info --json tells what each layer has, and what it takes on its disk', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const image = makeChain(maker);
  const info = JSON.parse((await warmSluice(['info', image, '--json'])).stdout);
  // The zeros are those of the top. The base has 1 MiB of data, except where the top covers it.
  t.deepEqual(info.content, {
    data: MIB - 64 * KIB - 128 * KIB - 64 * KIB + 6 * KIB,
    compressed: 64 * KIB,
    zero: 64 * KIB + 128 * KIB + 2 * MIB,
    hole: 3 * MIB - 6 * KIB,
  });
  const [top, middle, base] = info.chain;
  t.deepEqual(top.content, {
    ...{ data: 6 * KIB, compressed: 0, zero: 64 * KIB, hole: 6 * MIB - 70 * KIB },
  });
  t.deepEqual(middle.content, {
    ...{ data: 64 * KIB, compressed: 64 * KIB, zero: 128 * KIB, hole: 4 * MIB - 256 * KIB },
  });
  t.deepEqual(base.content, { data: MIB, compressed: 0, zero: 2 * MIB, hole: 0 });
  const words = ['info', '--backing-chain', '--output=json', image];
  const told: QemuLayer[] = JSON.parse(await must('qemu-img', words));
  t.deepEqual(
    info.chain.map((layer: Record<string, unknown>) => [layer.allocated, layer.virtualSize]),
    told.map((layer) => [layer['actual-size'], layer['virtual-size']]),
  );
  t.like(info.features, { version: 3, extendedL2: true, clusterSize: 65_536, dirty: false });
  t.is(info.snapshots.length, 1);
  t.like(info.snapshots[0], { id: '1', name: 'before', virtualSize: 6 * MIB, stateSize: 0 });
});

qemuTest('info tells people the same', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const image = makeChain(maker);
  const { stdout } = await warmSluice(['info', image]);
  t.regex(stdout, /^of its own: {2}6 KiB data, 64 KiB zeros, 5\.9 MiB holes; .* on disk$/m);
  t.regex(
    stdout,
    /^backing: {5}.*\/middle\.qcow2 \(qcow2, 4 MiB: 64 KiB data, 64 KiB compressed, 128 KiB zeros, /m,
  );
  t.regex(stdout, /^backing: {5}.*\/base\.img \(raw, 3 MiB: 1 MiB data, 2 MiB zeros, 0 B holes; /m);
  t.regex(stdout, /^features: {4}version 3, 64 KiB clusters, .*extended L2$/m);
  t.regex(stdout, /^snapshot: {4}1 "before" \d{4}-.*Z, 6 MiB$/m);
});

qemuTest('a chain whose backing file is refused is described down to there', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('base.qcow2', '1M');
  maker.create('top.qcow2', '2M', 'compat=0.10', '-u', '-b', 'base.qcow2', '-F', 'raw');
  maker.io('base.qcow2', 'qcow2', 'write -P 1 0 64k');
  maker.patch('top.qcow2', Buffer.from('e2792aca', 'hex'), Buffer.from('12345678', 'hex'));
  const path = maker.path('top.qcow2');
  const says = `its backing file ${maker.path('base.qcow2')} looks like qcow2, and its format is not recorded; use --format qcow2,qcow2 or --format qcow2,raw`;
  const info = JSON.parse(await must(process.execPath, sluiceWords('info', path, '--json')));
  t.deepEqual(info.problems, [says]);
  t.is(info.chain.length, 1);
  t.is(info.chain[0].virtualSize, 2 * MIB);
  const text = await warmSluice(['info', path]);
  t.true(text.stdout.includes(`problem:     ${says}\n`), text.stdout);
  const map = await warmSluice(['map', path]);
  t.is(map.code, 3);
  t.is(map.stderr, `sluice: map: ${path}: ${says}\n`);
  for (const format of ['qcow2', 'raw']) {
    t.is((await warmSluice(['map', path, '--format', `qcow2,${format}`])).code, 0);
  }
});
