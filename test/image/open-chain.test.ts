import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { HostFile } from '../../src/host/host-file.js';
import { type ChainOptions, openChain } from '../../src/image/open-chain.js';
import { refuse, SluiceError } from '../../src/util/errors.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { qemuTest } from '../formats/needs.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const AUTO: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };

function makeFolder(t: ExecutionContext): Maker {
  return new Maker(tempFolder(t, TMPFS));
}

function refusesChain(
  t: ExecutionContext,
  path: string,
  says: RegExp,
  code = 3,
  options = AUTO,
): void {
  const error = t.throws(() => openChain(path, options), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, code);
}

qemuTest('a format that is none is refused, whoever asks for it', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  const says = /there is no format "constructor"$/;
  refusesChain(t, maker.path('a.qcow2'), says, 2, { ...AUTO, format: 'constructor' });
});

qemuTest('a loop of backing files is refused', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  maker.create('b.qcow2', '1M', '', '-b', 'a.qcow2', '-F', 'qcow2');
  maker.img('rebase', '-u', '-f', 'qcow2', '-b', 'b.qcow2', '-F', 'qcow2', 'a.qcow2');
  refusesChain(t, maker.path('a.qcow2'), /a\.qcow2: its backing files form a loop/);
});

qemuTest('an image that is its own backing file under another name is a loop', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  symlinkSync('a.qcow2', maker.path('b.qcow2'));
  maker.img('rebase', '-u', '-f', 'qcow2', '-b', 'b.qcow2', '-F', 'qcow2', 'a.qcow2');
  refusesChain(t, maker.path('a.qcow2'), /loop/);
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
  refusesChain(t, maker.path('64.qcow2'), /more than 63 backing files/);
});

qemuTest('a missing backing file is named, with exit code 1', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M', '', '-u', '-b', 'gone.img', '-F', 'raw');
  refusesChain(t, maker.path('a.qcow2'), /a\.qcow2: its backing file .*gone\.img: no such file/, 1);
  maker.create('b.qcow2', '1M', '', '-u', '-b', 'a.qcow2', '-F', 'qcow2');
  refusesChain(
    t,
    maker.path('b.qcow2'),
    /^\S*a\.qcow2: its backing file .*gone\.img: no such file/,
    1,
  );
});

qemuTest('a refused file is named with the image that names it', (t) => {
  const maker = makeFolder(t);
  mkdirSync(maker.path('folder'));
  maker.create('a.qcow2', '1M', '', '-u', '-b', 'folder', '-F', 'raw');
  refusesChain(t, maker.path('a.qcow2'), /^\S*a\.qcow2: its backing file \S*folder: a directory/);
  writeFileSync(maker.path('broken'), 'QFI\xfb', 'latin1');
  maker.create('b.qcow2', '1M', '', '-u', '-b', 'broken', '-F', 'qcow2');
  maker.create('c.qcow2', '1M', '', '-u', '-b', 'b.qcow2', '-F', 'qcow2');
  refusesChain(
    t,
    maker.path('c.qcow2'),
    /^\S*b\.qcow2: its backing file \S*broken: the qcow2 header/,
  );
  maker.create('d.qcow2', '1M');
  const locked = (file: HostFile): void => {
    if (file.path.endsWith('d.qcow2')) throw refuse(`${file.path}: locked by somebody`);
  };
  maker.create('e.qcow2', '1M', '', '-u', '-b', 'd.qcow2', '-F', 'qcow2');
  t.throws(() => openChain(maker.path('e.qcow2'), AUTO, locked), {
    message: /^\S*e\.qcow2: its backing file \S*d\.qcow2: locked by somebody$/,
  });
});

qemuTest('a backing file elsewhere than in a file is refused', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M', '', '-u', '-b', 'nbd:localhost:1', '-F', 'raw');
  refusesChain(t, maker.path('a.qcow2'), /reached by "nbd:"/);
  maker.create('b.qcow2', '1M', '', '-u', '-b', 'x.dmg', '-F', 'dmg');
  writeFileSync(maker.path('x.dmg'), 'x');
  refusesChain(t, maker.path('b.qcow2'), /the format "dmg"/);
});

qemuTest(
  'content that claims to be qcow2 under a raw-like name is refused with the way out',
  (t) => {
    const maker = makeFolder(t);
    maker.create('a.qcow2', '1M');
    for (const name of ['disk.img', 'disk.raw', 'disk', 'disk.ISO']) {
      renameSync(maker.path('a.qcow2'), maker.path(name));
      refusesChain(t, maker.path(name), /use --format qcow2 or --format raw/);
      for (const format of ['qcow2', 'raw'] as const) {
        const chain = openChain(maker.path(name), { ...AUTO, format });
        t.is(chain.layers[0]?.format, format);
        chain.close();
      }
      renameSync(maker.path(name), maker.path('a.qcow2'));
    }
  },
);

qemuTest('a backing file that is no file is refused without waiting for it', (t) => {
  const maker = makeFolder(t);
  mkdirSync(maker.path('folder'));
  execFileSync('mknod', [maker.path('pipe'), 'p']);
  execFileSync('mknod', [maker.path('tape'), 'c', '1', '3']);
  for (const [name, says] of [
    ['folder', /folder: a directory, not an image/],
    ['pipe', /pipe: neither a regular file nor a block device/],
    ['tape', /tape: neither a regular file nor a block device/],
  ] as const) {
    refusesChain(t, maker.path(name), says);
    maker.create('a.qcow2', '1M', '', '-u', '-b', name, '-F', 'raw');
    refusesChain(t, maker.path('a.qcow2'), says);
  }
});

qemuTest('without a recorded format a backing file that looks like any is refused', (t) => {
  const maker = makeFolder(t);
  maker.create('base.qcow2', '1M');
  // Version 2 with the name only, as old tools made it; and the result of rebase -F ''.
  maker.create('old.qcow2', '1M', 'compat=0.10', '-u', '-b', 'base.qcow2', '-F', 'raw');
  dropBackingFormat(maker, 'old.qcow2');
  maker.create('empty.qcow2', '1M', '', '-u', '-b', 'base.qcow2', '-F', 'raw');
  emptyBackingFormat(maker, 'empty.qcow2');
  for (const name of ['old.qcow2', 'empty.qcow2']) {
    const path = maker.path(name);
    refusesChain(
      t,
      path,
      /its backing file \S*base\.qcow2 looks like qcow2, and its format is not recorded; use --format qcow2,qcow2 or --format qcow2,raw$/,
    );
    for (const format of ['qcow2', 'raw'] as const) {
      const told = openChain(path, { ...AUTO, backingFormats: [format] });
      t.is(told.layers[1]?.format, format);
      told.close();
    }
    // One layer deeper the suggested --format has one more word.
    maker.create('top.qcow2', '1M', '', '-u', '-b', name, '-F', 'qcow2');
    refusesChain(
      t,
      maker.path('top.qcow2'),
      /--format qcow2,qcow2,qcow2 or --format qcow2,qcow2,raw$/,
    );
    const told = { ...AUTO, backingFormats: ['qcow2', 'qcow2'] as const };
    const chain = openChain(maker.path('top.qcow2'), told);
    t.is(chain.layers[2]?.format, 'qcow2');
    chain.close();
  }
  maker.img('create', '-q', '-f', 'vmdk', 'disk.vmdk', '1M');
  maker.create('vmdk.qcow2', '1M', 'compat=0.10', '-u', '-b', 'disk.vmdk', '-F', 'raw');
  dropBackingFormat(maker, 'vmdk.qcow2');
  refusesChain(
    t,
    maker.path('vmdk.qcow2'),
    /looks like vmdk, .*; use --format qcow2,vmdk or --format qcow2,raw$/,
  );
  maker.raw('disk.img', 1 << 20);
  maker.create('raw.qcow2', '1M', 'compat=0.10', '-u', '-b', 'disk.img', '-F', 'raw');
  dropBackingFormat(maker, 'raw.qcow2');
  const raw = openChain(maker.path('raw.qcow2'), AUTO);
  t.is(raw.layers[1]?.format, 'raw');
  raw.close();
});

qemuTest('a snapshot that is not there is refused with those that are', (t) => {
  const maker = makeFolder(t);
  maker.create('a.qcow2', '1M');
  maker.img('snapshot', '-c', 'first', 'a.qcow2');
  const options = { ...AUTO, snapshot: 'second' };
  refusesChain(t, maker.path('a.qcow2'), /no snapshot "second"; it has 1 \("first"\)/, 3, options);
});

/** Removes the backing format, which qemu-img always records. */
function dropBackingFormat(maker: Maker, name: string): void {
  maker.patch(name, Buffer.from('e2792aca', 'hex'), Buffer.from('12345678', 'hex'));
}

/** Records an empty backing format, like `qemu-img rebase -u -F ''`. */
function emptyBackingFormat(maker: Maker, name: string): void {
  const from = Buffer.from('e2792aca00000003726177', 'hex');
  maker.patch(name, from, Buffer.from('e2792aca000000000000000000000000', 'hex'));
}
