import test from 'ava';
import { fstabWords, splitOptions } from '../../src/cli/fstab-words.js';
import { SluiceError } from '../../src/util/errors.js';

for (const [line, words] of [
  ['/srv/vm.qcow2 /mnt/s', 'mount /srv/vm.qcow2 /mnt/s'],
  ['vm=/srv/vm.qcow2 /mnt/s -o rw', 'mount vm=/srv/vm.qcow2 /mnt/s -o rw'],
  [
    'vm=/srv/vm.qcow2 /mnt/s -n -o rw,config=/etc/vm.yaml,allow_other,_netdev,nofail -t fuse.sluice',
    'mount vm=/srv/vm.qcow2 /mnt/s --config=/etc/vm.yaml -o rw,allow_other,_netdev,nofail',
  ],
  [
    'a.img /m -o ro,no-direct,depth=32,image=b=b.img,read-only',
    'mount a.img b=b.img /m --no-direct --depth=32 --read-only -o ro',
  ],
  [
    'a.img /m -o group="gold:bps=10M,weight=80",assign=a=gold',
    'mount a.img /m --group=gold:bps=10M,weight=80 --assign=a=gold',
  ],
  [
    String.raw`a.img /m -o group=gold:bps=10M\,weight=80,x-systemd.automount`,
    'mount a.img /m --group=gold:bps=10M,weight=80 -o x-systemd.automount',
  ],
  ['a.img /m -o owner,group', 'mount a.img /m -o owner,group'],
  ['a.img /m -o owner=7:8', 'mount a.img /m --owner=7:8'],
  ['none /m -o config=/c.yaml', 'mount /m --config=/c.yaml'],
  ['none /m', 'mount /m --empty'],
  ['-a.img /m', 'mount ./-a.img /m'],
  ['a.img /m -o no-group,foreground', 'mount a.img /m -o no-group,foreground'],
] as const) {
  test(`mount.fuse.sluice ${line}`, (t) => {
    t.deepEqual(fstabWords(line.split(' ')), { words: words.split(' '), isFake: false });
  });
}

test('a fake mount, and what mount(8) asks for and sluice cannot do', (t) => {
  t.true(fstabWords(['a', '/m', '-sfn']).isFake);
  for (const [argv, message] of [
    [['a'], /^expected mount.fuse.sluice IMAGE MOUNTPOINT/],
    [['a', 'b', 'c'], /^expected mount.fuse.sluice IMAGE MOUNTPOINT/],
    [['a', '/m', '-o'], '-o: its value is missing'],
    [['a', '/m', '-o', 'group="g:iops=5,ro'], 'group="g:iops=5,ro: a quote is not closed'],
    [
      ['a', '/m', '-o', 'group=g:iops=5,weight=3'],
      'weight=3: a group with commas needs quotes around it: group="GROUP:iops=1000,weight=3"',
    ],
    [['a', '/m', '-N', '/proc/1/ns/mnt'], /^-N: /],
  ] as const) {
    t.is(t.throws(() => fstabWords(argv), { instanceOf: SluiceError, message })?.exitCode, 2);
  }
});

test('commas in quotes and behind a backslash stay', (t) => {
  t.deepEqual(splitOptions(String.raw`a,b="c,d",e=f\,g,h\\i,`), [
    'a',
    'b=c,d',
    'e=f,g',
    String.raw`h\i`,
  ]);
});
