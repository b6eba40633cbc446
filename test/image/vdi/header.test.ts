import test from 'ava';
import { isVdi, parseVdiHeader } from '../../../src/image/vdi/header.js';
import { SluiceError } from '../../../src/util/errors.js';
import { GIB, type VdiFields, vdiHeader } from './make-vdi.js';

function refusal(fields: VdiFields): string {
  try {
    parseVdiHeader('/vm.vdi', vdiHeader(fields));
    return 'taken';
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `${error.exitCode} ${error.message}`;
  }
}

test('the fields of a header', (t) => {
  const head = vdiHeader({ size: 5 * GIB + 512, blocks: 5121, type: 4 });
  t.true(isVdi(head));
  t.false(isVdi(head.subarray(0, 67)));
  t.deepEqual(parseVdiHeader('/vm.vdi', head), {
    type: 'differencing',
    size: 5 * GIB + 512,
    blockBytes: 1 << 20,
    blocks: 5121,
    mapOffset: 512,
    dataOffset: 1 << 20,
    id: '00112233-4455-6677-8899-aabbccddeeff',
    changeId: '10112233-4455-6677-8899-aabbccddeeff',
    parentId: '20112233-4455-6677-8899-aabbccddeeff',
    parentChangeId: '30112233-4455-6677-8899-aabbccddeeff',
  });
});

test('what cannot be right or is not known is refused', (t) => {
  t.is(refusal({}), 'taken');
  t.is(refusal({ signature: 0 }), '3 /vm.vdi: not a VDI image');
  t.regex(refusal({ version: 0x00000001 }), /^3 .*version 0\.1 is not supported/);
  t.regex(refusal({ version: 0x00010002 }), /^3 .*version 1\.2 is not supported/);
  for (const type of [0, 3, 5, 0xffffffff]) t.regex(refusal({ type }), /^3 .*images of type/);
  t.regex(refusal({ sectorBytes: 4096 }), /^3 .*sectors of 4096 bytes/);
  t.regex(refusal({ extra: 512 }), /^3 .*extra bytes/);
  t.regex(refusal({ dataOffset: 513 }), /^3 .*data does not begin at a sector/);
});
