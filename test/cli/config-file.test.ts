import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig, readConfigFile } from '../../src/cli/config-file.js';
import { SETTINGS } from '../../src/control/settings.js';
import { SluiceError } from '../../src/util/errors.js';
import { tempFolder } from '../helpers/temp.js';

const IMAGE = {
  ...{ format: 'auto', backingFormats: [], snapshot: null },
  named: { dataFiles: [], backingFiles: [], untrusted: false },
};

test('a file says what the command line can say, and more of single images', (t) => {
  const text = `
# A comment.
mountpoint: m
images:
  web: web.qcow2
  db:
    path: /srv/db.img
    format: qcow2,raw
    read-only: true
    growable: false
    partitions: false
    metadata-cache: 2M
    data-file: [d/one, /two]
    backing-file: base
    untrusted: yes it is
    overlay: over.qcow2
    cache-file: near
    passthrough: false
  7: nbd://host/disk
groups:
  /: {depth: 16}
  gold: &gold
    weight: 80
    bps: 10M
    burst.bps: 40M/10
  team/build:
    <<: [ ]
    members: [web, uid:1000, 7]
  empty:
options:
  allow-other: true
  mode: 0660
  o: [noatime, ro]
  log: sluice.log
  nbd-timeout: 5
`;
  const fixed = text.replace('yes it is', 'true').replace('    <<: [ ]\n', '');
  t.deepEqual(parseConfig('/etc/sluice/vm.yaml', fixed), {
    file: '/etc/sluice/vm.yaml',
    mountpoint: '/etc/sluice/m',
    options: {
      ...{ 'allow-other': true, mode: '0660', o: ['noatime', 'ro'] },
      ...{ log: '/etc/sluice/sluice.log', 'nbd-timeout': '5' },
    },
    images: [
      // JavaScript has keys that are numbers first.
      { image: { ...IMAGE, name: '7', path: 'nbd://host/disk' }, passthrough: false },
      { image: { ...IMAGE, name: 'web', path: '/etc/sluice/web.qcow2' }, passthrough: false },
      {
        image: {
          ...{ name: 'db', path: '/srv/db.img', format: 'qcow2', backingFormats: ['raw'] },
          snapshot: null,
          named: {
            dataFiles: ['/etc/sluice/d/one', '/two'],
            backingFiles: ['/etc/sluice/base'],
            untrusted: true,
          },
          overlay: '/etc/sluice/over.qcow2',
          cacheFile: '/etc/sluice/near',
          own: { readOnly: true, growable: false, metadataCache: 2097152, partitions: null },
        },
        untrusted: true,
        passthrough: false,
      },
    ],
    groups: [
      { path: '', changes: { depth: 16 } },
      {
        path: 'gold',
        changes: {
          weight: 80,
          limits: { bps: 10485760 },
          bursts: { bps: { rate: 41943040, seconds: 10 } },
        },
      },
      { path: 'team/build', changes: {} },
      { path: 'empty', changes: {} },
    ],
    assignments: [
      { member: 'web', group: 'team/build' },
      { member: 'uid:1000', group: 'team/build' },
      { member: '7', group: 'team/build' },
    ],
  });
});

test('two temporary overlays over one file, and an image that is read beside one', (t) => {
  const text = 'images: {a: {path: /x, overlay: discard}, b: {path: /x, overlay: discard}, c: /x}';
  t.is(parseConfig('/f.yaml', text).images.length, 3);
});

test('limits that grow with images are read, also from a profile', (t) => {
  const text = `
profiles:
  volume: {read_iops_sec_per_gb: 3, read_iops_sec_per_gb_min: 100, burst.riops: 4000/5}
groups:
  a: {profile: volume, per_gb.bps: 1M/20M}
  b: {profile: volume, per_gb.riops: max}
`;
  const bursts = { riops: { rate: 4000, seconds: 5 } };
  const riops = { rate: 3, minimum: 100 };
  const bps = { rate: 1048576, minimum: 20971520 };
  t.deepEqual(parseConfig('/f.yaml', text.replace(/ {2}b: .*\n/, '')).groups, [
    { path: 'a', changes: { perGb: { bps, riops }, bursts } },
  ]);
  // Nothing is left that the burst could be to.
  t.throws(() => parseConfig('/f.yaml', text), { message: /a burst needs the plain limit/ });
});

test('groups that are alike have a profile, and their own keys win', (t) => {
  const text = `
profiles:
  small: {iops: 500, bps: 10M, total_bytes_sec_max: 20M, total_bytes_sec_max_length: 3}
groups:
  a: {profile: small}
  b: {profile: small, iops: 900, weight: 7}
`;
  const small = { bps: 10485760, iops: 500 };
  const bursts = { bps: { rate: 20971520, seconds: 3 } };
  t.deepEqual(parseConfig('/f.yaml', text).groups, [
    { path: 'a', changes: { limits: small, bursts } },
    { path: 'b', changes: { limits: { ...small, iops: 900 }, bursts, weight: 7 } },
  ]);
});

for (const [text, place, message, errno = 'EINVAL'] of [
  ['', '1:1', 'the file is empty'],
  ['# nothing\n', '1:1', 'the file is empty'],
  ['images: 3', '1:9', 'images: expected a mapping of keys to values'],
  ['a: b: c', '1:4', 'nested mappings are not allowed in compact mappings'],
  ['images: {a: x, a: y}', '1:16', 'map keys must be unique'],
  ['imges: {}', '1:1', 'there is no key "imges"; did you mean images?'],
  [
    'images:\n  w: {path: a, fromat: raw}',
    '2:16',
    /^images: w: .*"fromat"; did you mean format\?$/,
  ],
  ['images: {web: {format: raw}}', '1:15', 'images: web: path is missing'],
  ['images: {a/b: x}', '1:15', /the name "a\/b" has a slash in it$/],
  ['images: {a: ""}', '1:13', 'images: a: the path of the image is empty'],
  ['images: {a: {path: x, format: foo}}', '1:31', /^images: a: format foo: not known/],
  ['images:\n  a: {path: x, metadata-cache: 9}', '2:32', /from 1M to 1G$/, 'ERANGE'],
  [
    'images: {a: /x, b: /x}',
    '1:20',
    'images: b: /x: is that of a already; a file can be mounted once',
    'EBUSY',
  ],
  [
    'images: {a: {path: /x, overlay: /o}, b: {path: /y, overlay: /o}}',
    '1:41',
    'images: b: /o: is that of a already; a file can be mounted once',
    'EBUSY',
  ],
  ['--- {}\n--- {}\n', '2:1', 'a second document begins here'],
  ['images: {a: !!binary eA==}', '1:22', /^the tag .*binary is not known here$/],
  ['groups:\n  gold:\n    bps: 10X', '3:10', /^groups: gold: bps=10X: expected a number/],
  ['groups:\n  gold: {depth: 3}', '2:17', /only the root group, \/, has it$/],
  ['groups: {g: {burst.bps: 9M/3}}', '1:13', /a burst needs the plain limit/],
  ['groups: {g: {members: [x]}}', '1:24', /no image is named "x"; images: none$/],
  ['groups: {g: {members: [uid:1, uid:1]}}', '1:31', /"uid:1" is assigned twice$/],
  ['groups: {g: {members: [uid:1]}, g/h: {}}', '1:24', /the group has "g\/h" below it/, 'EBUSY'],
  ['groups:\n  a: {}\n  /a/: {}', '3:3', 'groups: the group is given twice'],
  ['groups: {.a: {}}', '1:14', /cannot begin with a dot$/],
  ['profiles: {p: {bps: x}}', '1:21', /^profiles: p: bps=x: expected/],
  [
    'profiles: {p: {depth: 9}}\ngroups:\n  g: {profile: p}',
    '3:6',
    /^groups: g: depth: only the root/,
  ],
  [
    'profiles: {small: {}}\ngroups: {g: {profile: smal}}',
    '2:23',
    'groups: g: profile: there is no profile "smal"; did you mean small?',
    'ENOENT',
  ],
  ['groups: {g: {read_iops_sec_max_length: 3}}', '1:13', /goes with read_iops_sec_max/],
  [
    'groups:\n  g:\n    shared: valkey://h/g\n    iops: 9\n    per_gb.iops: 1',
    '5:18',
    /^groups: g: per_gb\.iops: per_gb: hosts share the limits of the group/,
  ],
  [
    'groups:\n  g: {shared: valkey://h/g, iops: 9, burst.iops: 20/3}',
    '2:50',
    /^groups: g: burst\.iops: burst: hosts share the limits of the group/,
  ],
  [
    'groups:\n  g: {shared: valkey://h/g, iops: 9, total_iops_sec_per_gb: 1}',
    '2:6',
    /^groups: g: per_gb: hosts share the limits of the group/,
  ],
  [
    'profiles: {p: {per_gb.iops: 1}}\ngroups:\n  g: {shared: valkey://h/g, iops: 9, profile: p}',
    '3:6',
    /^groups: g: per_gb: hosts share the limits of the group/,
  ],
  ['options: {depth: 0}', '1:18', /not from 1 to 4096$/, 'ERANGE'],
  ['options: {direct: 3}', '1:19', 'options: direct: expected true or false'],
  ['options: {depth: }', '1:18', 'options: depth: expected a word, or a number'],
  ['options: {log: ""}', '1:16', 'options: log: the value is empty'],
  ['options: {foreground: true}', '1:11', /^options: there is no key "foreground"/],
] as const) {
  test(`refused: ${JSON.stringify(text)}`, (t) => {
    const error = t.throws(() => parseConfig('/f.yaml', text), { instanceOf: SluiceError });
    t.deepEqual([error?.errno, error?.exitCode], [errno, 2]);
    const [, where, what] = /^\/f\.yaml:(\d+:\d+): (.*)$/.exec(error!.message)!;
    t.is(where, place);
    if (typeof message === 'string') t.is(what, message);
    else t.regex(what!, message);
  });
}

test('an error of any key of a group names the key once', (t) => {
  const keys = SETTINGS.filter(({ part }) => part !== 'members').map(({ key }) => key);
  for (const key of keys) {
    const error = t.throws(() => parseConfig('f', `groups: {/: {${key}: x}}`));
    const [place] = error!.message.split(' expected ');
    t.regex(place!, /^f:1:[0-9]+: groups: \/: /, key);
    t.is(place!.split(': ').slice(3).join(': '), `${key}=x:`);
  }
});

test('a file that cannot be read', (t) => {
  const folder = tempFolder(t);
  const missing = t.throws(() => readConfigFile(join(folder, 'no')), { instanceOf: SluiceError });
  t.deepEqual([missing?.errno, missing?.exitCode], ['ENOENT', 1]);
  t.is(missing?.message, `${folder}/no: no such file`);
  mkdirSync(join(folder, 'd'));
  const message = `${folder}/d: a directory; name the configuration file`;
  t.throws(() => readConfigFile(join(folder, 'd')), { message });
  writeFileSync(join(folder, 'f'), 'images: {a: x}');
  t.is(readConfigFile(join(folder, 'f')).images[0]?.image.path, join(folder, 'x'));
});
