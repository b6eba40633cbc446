import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { SyncWriter } from '../../src/host/sync-writer.js';
import { commitLayer } from '../../src/image/commit.js';
import { openChain } from '../../src/image/open-chain.js';
import { openDisks } from '../../src/server/open-disks.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { qemuTest } from '../formats/needs.js';
import { mountConfig } from '../helpers/mount-config.js';
import { MIB, TMPFS, tempFolder } from '../helpers/temp.js';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

/** Commits the top of `over.qcow2` to its backing file, as it is opened for writing by itself. */
async function commit(t: ExecutionContext, maker: Maker, base: string, format: string) {
  const chain = openChain(maker.path('over.qcow2'), AUTO);
  t.teardown(() => chain.close());
  const path = maker.path(base);
  const images = [{ name: 'base', path, ...AUTO, format }];
  const config = { ...mountConfig({ images, growable: true, direct: false, partitions: null }) };
  const opened = await openDisks(config, SILENT);
  const shares: number[] = [];
  try {
    const target = { path, image: opened.disks[0]!.image };
    await commitLayer(chain.layers[0]!, target, new SyncWriter(), (share) => shares.push(share));
  } finally {
    await opened.unlock();
    opened.close();
  }
  return shares;
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** Formats of the image below, as qemu-img makes them. */
const BASES = [
  { format: 'raw', options: '', name: 'base.img', qemu: 'raw' },
  { format: 'qcow2', options: '', name: 'base.qcow2', qemu: 'qcow2' },
  {
    format: 'qcow2',
    options: '-o cluster_size=512,compat=0.10',
    name: 'base.qcow2',
    qemu: 'qcow2',
  },
  { format: 'vhd', options: '-o subformat=fixed,force_size=on', name: 'base.vhd', qemu: 'vpc' },
  { format: 'vdi', options: '-o static=on', name: 'base.vdi', qemu: 'vdi' },
] as const;

/** Options of the overlay, and commands of qemu-io that write it. */
const OVERLAYS = [
  { options: '', writes: ['write -P 1 0 64k', 'write -P 2 1000k 300k', 'write -P 3 2559k 512'] },
  { options: 'extended_l2=on', writes: ['write -P 1 6k 2k', 'write -z 1M 6k', 'discard 64k 64k'] },
  {
    options: 'cluster_size=4k',
    writes: ['write -z 0 1M', 'write -c -P 5 1M 64k', 'discard 2M 99k'],
  },
  { options: 'compression_type=zstd', writes: ['write -c -P 5 64k 64k', 'write -P 7 2M 512k'] },
];

for (const { format, options, name, qemu } of BASES) {
  qemuTest(
    `${format} ${options}: what the layer above has is in the image, and nothing else changes`,
    async (t) => {
      for (const over of OVERLAYS) {
        const maker = new Maker(tempFolder(t, TMPFS));
        maker.img('create', '-q', '-f', qemu, ...words(options), name, '2560k');
        maker.io(name, qemu, 'write -P 9 0 2560k');
        const above = over.options === '' ? [] : ['-o', over.options];
        maker.img('create', '-q', '-f', 'qcow2', ...above, '-b', name, '-F', qemu, 'over.qcow2');
        maker.io('over.qcow2', 'qcow2', ...over.writes);
        maker.img('convert', '-O', 'raw', 'over.qcow2', 'model');
        const before = readFileSync(maker.path('over.qcow2'));
        await commit(t, maker, name, format);
        maker.img('compare', '-f', 'raw', '-F', qemu, 'model', name);
        maker.img('compare', '-f', 'raw', '-F', 'qcow2', 'model', 'over.qcow2');
        if (qemu === 'qcow2') maker.img('check', '-f', qemu, name);
        t.true(readFileSync(maker.path('over.qcow2')).equals(before), 'the layer is only read');
      }
    },
  );
}

qemuTest('discards and zeros give room back', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('base.img', 4 * MIB);
  maker.io('base.img', 'raw', 'write -P 9 0 4M');
  maker.img('create', '-q', '-f', 'qcow2', '-b', 'base.img', '-F', 'raw', 'over.qcow2');
  maker.io('over.qcow2', 'qcow2', 'write -z 0 1M', 'write -P 1 1M 1M');
  // As Sluice discards what is allocated: the table keeps the cluster, and the file has a hole.
  maker.io('over.qcow2', 'qcow2', 'write -P 1 2M 1M');
  const [start] = JSON.parse(map(maker, '2M')) as { offset: number }[];
  await punch(maker.path('over.qcow2'), start!.offset, MIB);
  await commit(t, maker, 'base.img', 'raw');
  t.is(statSync(maker.path('base.img')).blocks * 512, 2 * MIB);
  const expected = Buffer.alloc(4 * MIB)
    .fill(1, MIB, 2 * MIB)
    .fill(9, 3 * MIB);
  t.true(readFileSync(maker.path('base.img')).equals(expected));
});

function map(maker: Maker, from: string): string {
  const asked = ['map', '--output=json', `--start-offset=${from}`, '--max-length=64k'];
  return execFileSync('qemu-img', [...asked, maker.path('over.qcow2')], { encoding: 'utf8' });
}

function punch(path: string, offset: number, length: number): void {
  execFileSync('fallocate', ['-p', '-o', String(offset), '-l', String(length), path]);
}

for (const { format, name } of [
  { format: 'raw', name: 'base.img' },
  { format: 'qcow2', name: 'base.qcow2' },
]) {
  qemuTest(`${format}: the image grows with the layer above; what is new is zeros`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.raw('bottom.img', 8 * MIB);
    maker.io('bottom.img', 'raw', 'write -P 4 0 8M');
    const below = format === 'qcow2' ? ['-b', 'bottom.img', '-F', 'raw'] : [];
    maker.img('create', '-q', '-f', format, ...below, name, '1536k');
    maker.img('create', '-q', '-f', 'qcow2', '-b', name, '-F', format, 'over.qcow2', '6M');
    maker.io('over.qcow2', 'qcow2', 'write -P 1 5M 64k', 'write -P 2 1408k 192k');
    maker.img('convert', '-O', 'raw', 'over.qcow2', 'model');
    await commit(t, maker, name, format);
    for (const one of [name, 'over.qcow2']) {
      maker.img('compare', '-f', 'raw', '-F', one === name ? format : 'qcow2', 'model', one);
      const info = execFileSync('qemu-img', ['info', '--output=json', maker.path(one)]);
      t.is(JSON.parse(String(info))['virtual-size'], 6 * MIB);
    }
    if (format === 'qcow2') maker.img('check', name);
  });
}

qemuTest('an image that cannot grow is not written at all', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.img('create', '-q', '-f', 'vdi', '-o', 'static=on', 'base.vdi', '1M');
  maker.img('create', '-q', '-f', 'qcow2', '-b', 'base.vdi', '-F', 'vdi', 'over.qcow2', '2M');
  maker.io('over.qcow2', 'qcow2', 'write -P 1 0 64k');
  const before = readFileSync(maker.path('base.vdi'));
  await t.throwsAsync(commit(t, maker, 'base.vdi', 'vdi'), {
    message: `${maker.path('base.vdi')}: has 1048576 bytes and cannot grow, and ${maker.path('over.qcow2')} above it has 2097152`,
  });
  t.true(readFileSync(maker.path('base.vdi')).equals(before));
});

qemuTest('it tells how far it is, and where the layer is broken', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('base.img', 4 * MIB);
  maker.img('create', '-q', '-f', 'qcow2', '-b', 'base.img', '-F', 'raw', 'over.qcow2');
  maker.io('over.qcow2', 'qcow2', 'write -P 1 0 64k', 'write -P 1 2M 64k', 'write -c -P 5 3M 64k');
  const shares = await commit(t, maker, 'base.img', 'raw');
  t.is(shares[0], 0);
  t.true(shares.includes(0.5), shares.join(' '));
  // The first entry of the L1 table leads to no whole cluster.
  const at = Number(readFileSync(maker.path('over.qcow2')).readBigUInt64BE(40));
  maker.poke('over.qcow2', at + 6, 2);
  await t.throwsAsync(commit(t, maker, 'base.img', 'raw'), {
    message: `${maker.path('over.qcow2')}: offset 0 cannot be read: an I/O error of the disk, or a broken image (EIO)`,
  });
});
