import test from 'ava';
import { formatInfo } from '../../src/cli/info-report.js';

test('sluice info prints sizes for people and in bytes', (t) => {
  const info = {
    path: '/srv/disk.img',
    format: 'raw',
    virtualSize: 1_048_576,
    hostSize: 1_048_570,
    allocated: 0,
    blockDevice: false,
    alignment: null,
    passthroughProblem: null,
    problems: ['something'],
    chain: null,
    features: null,
    lines: [],
    snapshots: [],
    content: null,
    table: null,
  };
  t.is(
    formatInfo(info),
    [
      'image:       /srv/disk.img',
      'format:      raw',
      'kind:        regular file',
      'size:        1 MiB (1048576 bytes)',
      'host size:   1 MiB (1048570 bytes)',
      'on disk:     0 bytes',
      'alignment:   unknown',
      'passthrough: possible',
      'problem:     something',
      '',
    ].join('\n'),
  );
});
