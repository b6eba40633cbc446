import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type ChainOptions, openChain } from '../../src/image/open-chain.js';
import { SluiceError } from '../../src/util/errors.js';
import { qemuTest } from '../formats/needs.js';
import { Maker } from '../formats/variants.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const AUTO: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };

function makeFolder(t: ExecutionContext): Maker {
  return new Maker(tempFolder(t, TMPFS));
}

function refuses(t: ExecutionContext, path: string, says: RegExp, code = 3, options = AUTO): void {
  const error = t.throws(() => openChain(path, options), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, code);
}

qemuTest('a loop of backing files is refused', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  maker.create('b.qcow2', '1M', '', '-b', 'a.qcow2', '-F', 'qcow2');
  maker.img('rebase', '-u', '-f', 'qcow2', '-b', 'b.qcow2', '-F', 'qcow2', 'a.qcow2');
  refuses(t, maker.path('a.qcow2'), /a\.qcow2: its backing files form a loop/);
});

qemuTest('an image that is its own backing file under another name is a loop', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  symlinkSync('a.qcow2', maker.path('b.qcow2'));
  maker.img('rebase', '-u', '-f', 'qcow2', '-b', 'b.qcow2', '-F', 'qcow2', 'a.qcow2');
  refuses(t, maker.path('a.qcow2'), /loop/);
});

qemuTest('a chain of 64 layers is opened, of 65 refused', (t) => {
  const maker = makeFolder(t);
  maker.create('0.qcow2', '1M');
  for (let i = 1; i <= 64; i++) {
    const words = ['-u', '-b', `${i - 1}.qcow2`, '-F', 'qcow2'];
    maker.create(`${i}.qcow2`, '1M', '', ...words);
  }
  const chain = openChain(maker.path('63.qcow2'), AUTO);
  t.is(chain.layers.length, 64);
  chain.close();
  refuses(t, maker.path('64.qcow2'), /more than 63 backing files/);
});

qemuTest('a missing backing file is named, with exit code 1', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M', '', '-u', '-b', 'gone.img', '-F', 'raw');
  refuses(t, maker.path('a.qcow2'), /gone\.img: no such file/, 1);
});

qemuTest('a backing file elsewhere than in a file is refused', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M', '', '-u', '-b', 'nbd://localhost', '-F', 'raw');
  refuses(t, maker.path('a.qcow2'), /reached by "nbd:"/);
  maker.create('b.qcow2', '1M', '', '-u', '-b', 'x.vmdk', '-F', 'vmdk');
  writeFileSync(maker.path('x.vmdk'), 'x');
  refuses(t, maker.path('b.qcow2'), /the format "vmdk"/);
});

qemuTest(
  'content that claims to be qcow2 under a raw-like name is refused with the way out',
  (t) => {
    const maker = makeFolder(t);
    maker.create('a.qcow2', '1M');
    for (const name of ['disk.img', 'disk.raw', 'disk', 'disk.ISO']) {
      renameSync(maker.path('a.qcow2'), maker.path(name));
      refuses(t, maker.path(name), /use --format qcow2 or --format raw/);
      for (const format of ['qcow2', 'raw'] as const) {
        const chain = openChain(maker.path(name), { ...AUTO, format });
        t.is(chain.layers[0]?.format, format);
        chain.close();
      }
      renameSync(maker.path(name), maker.path('a.qcow2'));
    }
  },
);

qemuTest(
  'without a backing format the backing file is raw, unless --format says otherwise',
  (t) => {
    const maker = makeFolder(t);
    maker.create('base.qcow2', '1M');
    // Version 2 with the name alone, as old tools made it.
    maker.create('top.qcow2', '1M', 'compat=0.10', '-u', '-b', 'base.qcow2', '-F', 'raw');
    dropBackingFormat(maker, 'top.qcow2');
    const raw = openChain(maker.path('top.qcow2'), AUTO);
    t.is(raw.layers[1]?.format, 'raw');
    t.regex(raw.layers[0]?.warnings[0] ?? '', /looks like qcow2.*--format qcow2,qcow2/);
    raw.close();
    const told = openChain(maker.path('top.qcow2'), { ...AUTO, backingFormats: ['qcow2'] });
    t.is(told.layers[1]?.format, 'qcow2');
    t.deepEqual(told.layers[0]?.warnings, []);
    told.close();
  },
);

qemuTest('a snapshot that is not there is refused with those that are', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  maker.img('snapshot', '-c', 'first', 'a.qcow2');
  const options = { ...AUTO, snapshot: 'second' };
  refuses(t, maker.path('a.qcow2'), /no snapshot "second"; it has 1 \("first"\)/, 3, options);
});

/** qemu-img always records a format; this takes it out. */
function dropBackingFormat(maker: Maker, name: string): void {
  maker.patch(name, Buffer.from('e2792aca', 'hex'), Buffer.from('12345678', 'hex'));
}
