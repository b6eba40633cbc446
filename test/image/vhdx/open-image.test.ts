import test from 'ava';
import { describeImage } from '../../../src/image/describe.js';
import { readImage } from '../../helpers/read-image.js';
import { BLOCK, DATA_ID_TEXT, itemsOf, makeTree, metadataOf, writeVhdx } from './make-vhdx.js';

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };

const BY_NAME = { relative_path: '..\\base.vhdx' };

test('the parent has one of the two identities, and other ones are refused', async (t) => {
  const second = { ...BY_NAME, parent_linkage: '{1}', parent_linkage2: `{${DATA_ID_TEXT}}` };
  t.is((await readImage(makeTree(t, { parent: second }))).length, 3 * BLOCK);
  const other = makeTree(t, { parent: { ...BY_NAME, parent_linkage: '{1}' } });
  t.regex(describeImage(other, AUTO).problems[0]!, /base\.vhdx is another one or has been changed/);
});

test('a path of Windows is sought beside the image', (t) => {
  const parent = { absolute_win32_path: '\\\\?\\D:\\vms\\up.vhdx' };
  const { problems } = describeImage(makeTree(t, { parent }), AUTO);
  t.regex(problems[0]!, /^its backing file \S*\/vm\/up\.vhdx: no such file/);
});

test('a table that does not fit is refused', (t) => {
  const metadata = metadataOf(itemsOf({ size: 2 ** 40 }));
  t.regex(
    describeImage(writeVhdx(t, { metadata }), AUTO).problems[0]!,
    /table of 131072 blocks is too/,
  );
});
