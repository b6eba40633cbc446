import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { mapOfImage, readImage } from '../../helpers/read-image.js';
import { sameBytes } from '../../helpers/same-bytes.js';
import { pattern, TMPFS, tempFolder } from '../../helpers/temp.js';
import { BLOCK, type FooterFields, type HeaderFields, ID, makeDynamic, WHOLE } from './make-vhd.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

/** A base with two blocks, and a differencing image over it in `vm/`. */
function makeTree(t: ExecutionContext, header: HeaderFields, child: FooterFields = {}): string {
  const folder = tempFolder(t, TMPFS);
  mkdirSync(join(folder, 'vm'));
  const blocks = [1, 2].map((seed) => ({ there: WHOLE, data: pattern(BLOCK, seed) }));
  writeFileSync(join(folder, 'base.vhd'), makeDynamic({}, {}, [0, null, 1], blocks));
  const own = { there: [[1, 2]] as const, data: pattern(BLOCK, 3) };
  const path = join(folder, 'vm/child.vhd');
  const footer = { type: 4, id: 'cc'.repeat(16), ...child };
  writeFileSync(path, makeDynamic(footer, { parentId: ID, ...header }, [null, null, 0], [own]));
  return path;
}

const wide = (text: string): Buffer => Buffer.from(text, 'utf16le');

/** Ways in which images name `../base.vhd`. */
const NAMES: Record<string, HeaderFields> = {
  'a relative path': { locators: [['W2ru', wide('..\\base.vhd'), 2048n]] },
  'a URL': { locators: [['MacX', Buffer.from('file://./../base%2Evhd'), 2048n]] },
  'a relative path behind others': {
    locators: [
      ['W2ku', wide('C:\\vms\\gone.vhd'), 2048n],
      ['Wi2r', Buffer.from('gone'), 2304n],
      ['W2ru', wide('..\\base.vhd\0gone'), 2560n],
    ],
  },
  'the name in the header': { parentName: '..\\base.vhd' },
};

for (const [title, header] of Object.entries(NAMES)) {
  test(`a differencing image finds its parent by ${title}`, async (t) => {
    const path = makeTree(t, header);
    const whole = Buffer.concat([pattern(BLOCK, 1), Buffer.alloc(BLOCK), pattern(BLOCK, 2)]);
    pattern(BLOCK, 3).copy(whole, 2 * BLOCK + 512, 512, 1536);
    sameBytes(t, await readImage(path), whole);
    const depths = mapOfImage(path).map(({ start, depth }) => [start / 512, depth]);
    t.deepEqual(depths, [
      [0, 1],
      [4096, 1],
      [8192, 1],
      [8193, 0],
      [8195, 1],
    ]);
  });
}

test('names of Windows that lead nowhere are sought beside the image', (t) => {
  const locators: HeaderFields['locators'] = [['W2ku', wide('\\\\server\\share\\up.vhd'), 2048n]];
  const path = makeTree(t, { locators, parentName: 'D:\\old\\up.vhd' });
  t.regex(
    describeImage(path, AUTO).problems[0]!,
    /^its backing file \S*\/vm\/up\.vhd: no such file/,
  );
});

test('a parent with another UUID is refused, and one without a name', (t) => {
  const other = makeTree(t, { ...NAMES['a URL'], parentId: 'ab'.repeat(16) });
  t.regex(describeImage(other, AUTO).problems[0]!, /base\.vhd is another one or has been changed/);
  // A name that cannot be read, or does not lie in the file, is none.
  for (const locator of [
    ['W2ru', wide('..\\base.vhd'), 2n ** 60n],
    ['W2ru', wide('..\\base.vhd'), 2048n, 0xffffffff],
    ['W2ru', Buffer.from([0, 0xd8, 0x61, 0]), 2048n],
    ['W2ru', Buffer.alloc(0), 2048n],
  ] as const) {
    const none = makeTree(t, { locators: [locator], parentId: 'ab'.repeat(16) });
    t.regex(
      describeImage(none, AUTO).problems[0]!,
      /^its backing file, abababab-\S* is found neither/,
    );
  }
});
