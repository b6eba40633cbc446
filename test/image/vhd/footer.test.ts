import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LocalFile } from '../../../src/host/local-file.js';
import { type Footer, isVhd, readFooter } from '../../../src/image/vhd/footer.js';
import { SluiceError } from '../../../src/util/errors.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';
import { type FooterFields, footerOf, ID_TEXT } from './make-vhd.js';

/** Reads the footer of a file of these bytes; the message if it is refused. */
function read(t: ExecutionContext, ...parts: Buffer[]): Footer | string {
  const path = join(tempFolder(t, TMPFS), 'vm.vhd');
  writeFileSync(path, Buffer.concat(parts));
  const file = new LocalFile(path);
  try {
    return readFooter(file);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `${error.exitCode} ${error.message.slice(path.length + 2)}`;
  } finally {
    file.close();
  }
}

const DATA = Buffer.alloc(4096, 7);

function sizeFor(t: ExecutionContext, fields: FooterFields): number {
  const footer = read(t, DATA, footerOf(fields));
  return typeof footer === 'string' ? -1 : footer.size;
}

test('the fields of a footer at the end of the file', (t) => {
  t.deepEqual(read(t, DATA, footerOf({ type: 4, size: 2 ** 40, headerOffset: 1024n })), {
    ...{ type: 'differencing', size: 2 ** 40, headerOffset: 1024, creator: 'win', id: ID_TEXT },
    offset: 4096,
  });
  t.like(read(t, DATA, footerOf({ type: 2, creator: 'wa\0\0' })), { type: 'fixed', creator: 'wa' });
});

test('a footer of 511 bytes, as programs before Virtual PC 2004 wrote it', (t) => {
  const footer = footerOf({ type: 2 }).subarray(0, 511);
  t.like(read(t, DATA, footer), { type: 'fixed', offset: 4096 });
  const whole = Buffer.concat([DATA, footer]);
  t.true(isVhd(whole.subarray(0, 512), whole.subarray(-512)));
});

test('the size is that of the geometry for the programs that show it so', (t) => {
  const geometry = [180, 4, 17] as const;
  const chs = 180 * 4 * 17 * 512;
  const size = 6 * 2 ** 20 + 1_000_000;
  for (const creator of ['vpc ', 'qemu']) t.is(sizeFor(t, { creator, geometry, size }), chs);
  for (const creator of ['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS', 'wa\0\0', 'vbox', '\0\0\0\0']) {
    t.is(sizeFor(t, { creator, geometry, size }), size);
  }
  // The largest geometry says nothing of the size, nor does none, nor more than there is.
  const large = 2 ** 40;
  t.is(sizeFor(t, { creator: 'vpc ', geometry: [65535, 16, 255], size: large }), large);
  t.is(sizeFor(t, { creator: 'vpc ', geometry: [0, 16, 255], size }), size);
  t.is(sizeFor(t, { creator: 'vpc ', geometry: [65534, 16, 255], size }), size);
});

test('the copy at the beginning is used where the end is broken, but for fixed images', (t) => {
  const copy = footerOf({ size: 1024 });
  t.like(read(t, copy, DATA), { size: 1024, offset: 0 });
  t.like(read(t, copy, DATA, footerOf({ checksum: 1 })), { size: 1024, offset: 0 });
  // The beginning of a fixed image belongs to the guest: the end counts.
  t.like(read(t, copy, DATA, footerOf({ type: 2 })), { type: 'fixed', offset: 4608 });
  t.is(
    read(t, footerOf({ type: 2 }), DATA),
    '3 its footer is cut off, or the checksum of the footer is wrong',
  );
});

test('what is no footer, or not known, is refused', (t) => {
  t.is(read(t, DATA), '3 not a VHD image');
  t.is(read(t, Buffer.alloc(0)), '3 not a VHD image');
  t.is(
    read(t, Buffer.from('conectix')),
    '3 its footer is cut off, or the checksum of the footer is wrong',
  );
  t.regex(String(read(t, DATA, footerOf({ checksum: 5 }))), /^3 its footer is cut off, or/);
  t.regex(String(read(t, DATA, footerOf({ version: 0x00020000 }))), /^3 VHD version 2 is not/);
  for (const type of [0, 1, 5, 6, 0xffffffff]) {
    t.regex(
      String(read(t, DATA, footerOf({ type }))),
      /^3 VHD images of type \d+ are not supported/,
    );
  }
});

test('a file looks like a VHD image by either end', (t) => {
  const [footer, none] = [footerOf(), Buffer.alloc(512)];
  t.true(isVhd(footer, none));
  t.true(isVhd(none, footer));
  t.false(isVhd(none, none));
  t.false(isVhd(Buffer.alloc(0), Buffer.alloc(0)));
});
