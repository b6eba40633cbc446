import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';
import { type FooterFields, type HeaderFields, makeDynamic } from './make-vhd.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

test('what cannot be right or is not known in the header is refused', (t) => {
  const refused = (header: HeaderFields, footer: FooterFields = {}): string => {
    const path = join(tempFolder(t, TMPFS), 'vm.vhd');
    writeFileSync(path, makeDynamic(footer, header, [null, null, null], []));
    return describeImage(path, AUTO).problems[0]!;
  };
  t.regex(refused({ cookie: 'cxsparsX' }), /its header is missing, or the checksum/);
  t.regex(refused({ checksum: 1 }), /its header is missing, or the checksum/);
  t.regex(refused({ version: 0x00020000 }), /its header has version 2/);
  t.regex(refused({ blockBytes: 1000 }), /blocks of 1000 B are not supported/);
  t.regex(refused({ entries: 2 }), /its table of 2 blocks is too small/);
  t.regex(refused({ tableOffset: 4600n }), /its table of blocks does not lie in the file/);
  for (const headerOffset of [4096n, 2n ** 64n - 1n]) {
    t.regex(refused({}, { headerOffset }), /its header does not lie in the file/);
  }
  t.regex(refused({}, { size: 2n ** 64n - 1n }), /above 2\^53/);
});
