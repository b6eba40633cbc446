import test, { type ExecutionContext } from 'ava';
import { isDescriptor, parseDescriptor } from '../../../src/image/vmdk/descriptor.js';
import { SluiceError } from '../../../src/util/errors.js';
import { cpuTime } from '../../helpers/cpu-time.js';

/** As VMware Workstation writes it. */
const TEXT = `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=7b5a1fc0
parentCID=ffffffff
isNativeSnapshot="no"
createType="twoGbMaxExtentSparse"

# Extent description
RW 4192256 SPARSE "disk-s001.vmdk"
RW 2048 SPARSE "disk-s002.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "261"
`;

function parse(text: string, encoding: BufferEncoding = 'utf8') {
  return parseDescriptor('/vm.vmdk', Buffer.from(text, encoding));
}

function refuses(t: ExecutionContext, text: string, says: RegExp): void {
  const error = t.throws(() => parse(text), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.exitCode, 3);
}

test('a descriptor of VMware is parsed', (t) => {
  t.deepEqual(parse(TEXT), {
    createType: 'twoGbMaxExtentSparse',
    cid: 0x7b5a1fc0,
    parent: null,
    extents: [
      { access: 'RW', bytes: 4192256 * 512, type: 'SPARSE', name: 'disk-s001.vmdk', offset: 0 },
      { access: 'RW', bytes: 1048576, type: 'SPARSE', name: 'disk-s002.vmdk', offset: 0 },
    ],
    tracksChanges: false,
  });
});

test('line ends of Windows, spaces, zeros behind the text and a parent', (t) => {
  const text = TEXT.replace('parentCID=ffffffff', 'parentCID=ABC\nparentFileNameHint="a b.vmdk"');
  const parsed = parse(`${text.replaceAll('\n', ' \r\n')}\0\0garbage\nRW 1 ZERO`);
  t.deepEqual(parsed.parent, { cid: 0xabc, name: 'a b.vmdk' });
  t.is(parsed.extents.length, 2);
});

test('extents of all kinds', (t) => {
  const lines = [
    'RW 63 FLAT "disk-pt.vmdk" 0',
    'RDONLY 8 FLAT "/dev/sda" 2048',
    'RW 100 ZERO',
    'NOACCESS 7 ZERO',
    'RW 10 VMFS "disk-flat.vmdk"',
    'RW 20 FLAT "\\\\.\\PhysicalDrive0" 63 partitionUUID "x"',
    'RW 0 SPARSE "none.vmdk"',
  ];
  const text = TEXT.replace(/^RW.*\n/gm, '').replace('#DDB', lines.join('\n'));
  t.deepEqual(
    parse(text).extents.map(({ access, bytes, type, name, offset }) => {
      return [access, bytes / 512, type, name, offset / 512];
    }),
    [
      ['RW', 63, 'FLAT', 'disk-pt.vmdk', 0],
      ['RDONLY', 8, 'FLAT', '/dev/sda', 2048],
      ['RW', 100, 'ZERO', null, 0],
      ['NOACCESS', 7, 'ZERO', null, 0],
      ['RW', 10, 'VMFS', 'disk-flat.vmdk', 0],
      ['RW', 20, 'FLAT', '\\\\.\\PhysicalDrive0', 63],
    ],
  );
});

test('names are in the encoding that the text tells', (t) => {
  const named = TEXT.replace('disk-s001', 'Ger\u00e4t');
  t.is(parse(named).extents[0]?.name, 'Ger\u00e4t.vmdk');
  const windows = named.replace('UTF-8', 'windows-1252');
  t.is(parse(windows, 'latin1').extents[0]?.name, 'Ger\u00e4t.vmdk');
  // Who writes the name of no encoding means the usual one.
  t.is(parse(named.replace('UTF-8', 'klingon')).extents[0]?.name, 'Ger\u00e4t.vmdk');
});

test('change tracking is seen', (t) => {
  t.true(parse(`${TEXT}\n# Change Tracking File\nchangeTrackPath="disk-ctk.vmdk"\n`).tracksChanges);
});

test('what is no descriptor, or one that cannot be kept to, is refused', (t) => {
  refuses(t, '# Disk DescriptorFile\n', /^\/vm\.vmdk: it has no descriptor of a disk$/);
  refuses(t, TEXT.replace('version=1', 'version=4'), /its descriptor is of version 4$/);
  refuses(t, `${TEXT}encryption.keySafe = "vmware:key/list"\n`, /the disk is encrypted$/);
  refuses(t, TEXT.replace('7b5a1fc0', '7b5a1fc0f'), /its CID "7b5a1fc0f" is no number of 32 bits$/);
  refuses(t, TEXT.replace('=ffffffff', '=1'), /it has a parent, 00000001, and does not name it$/);
  const named = `${TEXT}parentFileNameHint="base.vmdk"\n`;
  refuses(t, named, /it names the parent "base\.vmdk", and its parentCID says that it has none$/);
  refuses(t, TEXT.replace('4192256', '9'.repeat(20)), /is larger than any disk$/);
  refuses(t, TEXT + 'RW 1 ZERO\n'.repeat(5000), /in more than 4096 extents$/);
});

test('a descriptor is known by its beginning', (t) => {
  for (const [text, expected] of [
    [TEXT, true],
    ['# Disk DescriptorFile', true],
    ['#a\n\n  \r\nversion=2\r\n', true],
    ['version = 1\n', true],
    ['version=1', false],
    ['CID=1\nversion=1\n', false],
    ['', false],
  ] as const) {
    t.is(isDescriptor(Buffer.from(text)), expected, text);
  }
});

test('a hostile text takes no time', (t) => {
  const took = cpuTime(() => {
    isDescriptor(Buffer.from('# \n'.repeat(170)));
    isDescriptor(Buffer.from(' '.repeat(512)));
    parse(`version=1\n${'RW 1 FLAT "'.repeat(1e5)}`);
    parse(`version=1\n${' '.repeat(1e6)}`);
    parse(`version=1\nRW${' '.repeat(1e6)}1`);
  });
  t.true(took < 1000, `${took} ms`);
});
