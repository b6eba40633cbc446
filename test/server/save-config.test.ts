import test from 'ava';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/cli/config-file.js';
import { buildMountConfig } from '../../src/cli/mount-config.js';
import { newSettings } from '../../src/control/settings.js';
import type { MountConfig } from '../../src/server/config.js';
import { savedConfig } from '../../src/server/save-config.js';

const OF_ROOT = { depth: 'auto', cost: 'linear' } as const;

/** The mount that a file with the saved configuration makes. */
function saveAndRead(config: MountConfig, words: object = {}): MountConfig {
  const groups = [{ path: '', settings: newSettings(), members: [] }];
  const saved = savedConfig(config, config.images, [], groups, OF_ROOT);
  const file = parseConfig('/srv/vm.yaml', stringify(saved.config));
  return { ...buildMountConfig({ paths: [], ...words }, '/', file), groups: [], source: null };
}

test('a file with what was saved makes the same mount', (t) => {
  const paths = ['web=/srv/a.qcow2', '/srv/b.img', '/mnt/s'];
  const many = {
    ...{ 'read-only': true, growable: true, direct: false, untrusted: true, verbose: true },
    ...{ partitions: false, 'metadata-cache': '2M', 'nbd-timeout': '5', 'nbd-connections': '2' },
    ...{ cache: 'page', transport: 'uring', 'poll-us': '7', 'allow-other': true, keeper: true },
    ...{ owner: '7:8', mode: '0640', o: ['noatime'], metrics: '[::1]:9464', log: '/var/log/x' },
    ...{
      format: 'qcow2,raw',
      snapshot: '1',
      'data-file': ['/srv/d', '/srv/d 2'],
      'backing-file': ['/srv/e'],
    },
  };
  for (const words of [{}, many, { 'sector-size': '4096' }, { passthrough: ['web'] }]) {
    const config = buildMountConfig({ paths, ...words }, '/');
    t.deepEqual(saveAndRead(config), config);
  }
  const [image, ...rest] = buildMountConfig({ paths }, '/').images;
  const own = { readOnly: true, growable: false, partitions: null, metadataCache: 1 << 20 };
  const named = { dataFiles: [], backingFiles: [], untrusted: true };
  const files = { overlay: '/srv/over.qcow2', cacheFile: '/srv/near' };
  const attached = { ...image!, ...files, own, named };
  const config = { ...buildMountConfig({ paths }, '/'), images: [attached, ...rest] };
  t.like(saveAndRead(config).images[0], { ...files, own, named } as never);
});

test('groups have what is set in them, and rules about processes are left out', (t) => {
  const config = buildMountConfig({ paths: ['/srv/web.img', '/mnt/s'] }, '/');
  const gold = newSettings();
  gold.limits.bps = 10 << 20;
  gold.perGb.iops = { rate: 10, minimum: 500 };
  gold.bursts.bps = { rate: 20 << 20, seconds: 5 };
  const members = ['web', 'uid:7', 'pid:42'].map((name) => ({ name }));
  const groups = [
    { path: '', settings: newSettings(), members: [{ name: 'web' }, { name: 'my disk.p1' }] },
    { path: 'gold', settings: gold, members },
  ];
  const saved = savedConfig(config, config.images, [], groups, { depth: 32, cost: 'linear' });
  t.deepEqual(saved.config.groups, {
    '/': { depth: 32, members: [String.raw`my\040disk.p1`] },
    gold: {
      bps: 10485760,
      'per_gb.iops': '10/500',
      'burst.bps': '20971520/5',
      members: ['web', 'uid:7'],
    },
  });
  t.deepEqual(saved.config.images, { web: '/srv/web.img' });
  t.is(saved.leftOut.length, 1);
  t.regex(saved.leftOut[0]!, /^the member pid:42 of gold: /);
});

test('a partition that has left its table is left out: no mount could begin with it', (t) => {
  const config = buildMountConfig({ paths: ['/srv/web.img', '/mnt/s'] }, '/');
  const members = ['web.p1', 'web.p4'].map((name) => ({ name }));
  const groups = [{ path: 'gold', settings: newSettings(), members }];
  const saved = savedConfig(config, config.images, ['web.p1'], groups, OF_ROOT);
  t.deepEqual(saved.config.groups, { gold: { members: ['web.p1'] } });
  t.deepEqual(saved.leftOut, ['the member web.p4 of gold: there is no such partition now']);
});

test('how hosts share limits is kept', (t) => {
  const paths = ['/srv/web.img', '/mnt/s'];
  const url = 'shared=valkey://10.0.0.5/gold';
  const group = [
    `gold:iops=20k,${url},safe=3k,shared.weight=7`,
    `half:iops=9,${url}`,
    'own:iops=5',
  ];
  const config = buildMountConfig({ paths, group }, '/');
  const groups = ['gold', 'half', 'own'].map((path, index) => {
    const settings = newSettings();
    settings.limits.iops = [20_000, 9, 5][index]!;
    return { path, settings, members: [] };
  });
  const saved = savedConfig(config, config.images, [], groups, OF_ROOT);
  t.deepEqual(saved.leftOut, []);
  const file = parseConfig('/srv/vm.yaml', stringify(saved.config));
  t.deepEqual(buildMountConfig({ paths: [] }, '/', file).groups, config.groups);
});
