import test from 'ava';
import { type Ends, formatOf, HEAD_BYTES, probeFormat } from '../../src/image/probe.js';
import { SluiceError } from '../../src/util/errors.js';

/** The ends of a file that has a text of latin1 at an offset. */
function head(text: string, offset = 0): Ends {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.write(text, offset, 'latin1');
  return { head: bytes, tail: Buffer.alloc(HEAD_BYTES) };
}

/** The ends of a file that is all of this text. */
function whole(text: string): Ends {
  const bytes = Buffer.from(text, 'latin1');
  return { head: bytes, tail: bytes };
}

const QCOW2 = 'QFI\xfb\0\0\0\x03';

for (const [text, offset, format] of [
  [QCOW2, 0, 'qcow2'],
  ['KDMV', 0, 'vmdk'],
  ['COWD', 0, 'vmdk'],
  ['\xbe\xba\xfe\xca\0\0\0\0', 0, 'vmdk'],
  ['# Disk DescriptorFile', 0, 'vmdk'],
  ['# another comment\r\n \r\nversion=1\r\n', 0, 'vmdk'],
  ['# a text\nversions=1\n', 0, null],
  ['\x7f\x10\xda\xbe', 64, 'vdi'],
  ['', 0, null],
  [QCOW2, 1, null],
] as const) {
  test(`bytes with ${JSON.stringify(text)} at ${offset} look like ${format}`, (t) => {
    t.is(formatOf(head(text, offset)), format);
  });
}

test('a file that is cut off behind its signature is no raw image', (t) => {
  t.is(formatOf(whole('QFI\xfb')), 'qcow2');
  t.is(formatOf(whole('QFI')), null);
  t.is(probeFormat('/disk', whole('')), 'raw');
});

test('a name that fits is enough, an ending for raw images is not', (t) => {
  t.is(probeFormat('/vm.qcow2', head(QCOW2)), 'qcow2');
  t.is(probeFormat('/vm.anything', head(QCOW2)), 'qcow2');
  for (const name of ['/vm', '/vm.img', '/vm.RAW', '/dev/sda']) {
    const error = t.throws(() => probeFormat(name, head(QCOW2)), { instanceOf: SluiceError });
    t.regex(error?.message ?? '', /looks like qcow2 but is not named so/);
    t.is(error?.exitCode, 3);
  }
});

test('a format that cannot be mounted is refused under any name', (t) => {
  for (const name of ['/vm.E01', '/vm.img']) {
    const ewf = head('EVF\t\r\n\xff\0');
    const error = t.throws(() => probeFormat(name, ewf), { instanceOf: SluiceError });
    t.regex(error?.message ?? '', /looks like ewf, .*; use --format raw to show its bytes$/);
    t.is(error?.errno, 'ENOTSUP');
  }
});
