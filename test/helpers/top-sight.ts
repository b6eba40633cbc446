import { nextMinute } from '../../src/cli/top/minute.js';
import { type Sight, sightOf } from '../../src/cli/top/rows.js';
import type { GroupSnapshot } from '../../src/control/control.js';
import { parseGroup } from '../../src/tree/reports.js';

const figures = (queued: number, inflight: number): string =>
  `rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0 wait_usec=0 waits=0 queued=${queued} inflight=${inflight}`;

const reads = (name: string, requests: number, waitUs: number): string =>
  `${name} op=read span=second requests=${requests} bytes=${requests * 4096} ` +
  `wait_mean=${waitUs} wait_p99=${2 * waitUs} service_mean=50 service_p99=200\n`;

interface Busy {
  /** Reads of 4 KiB in the last second, and their mean wait, microseconds. */
  reads: number;
  waitUs: number;
  queued: number;
}

/** A group with one member, or none, which is as busy as the group. */
function group(
  path: string,
  busy: Busy,
  files: Record<string, string>,
  member = '',
): GroupSnapshot {
  const { reads: count, waitUs, queued } = busy;
  const names = member === '' ? ['total'] : [member, 'total'];
  return parseGroup(path, {
    'io.stat': names.map((name) => `${name} ${figures(queued, 2)}\n`).join(''),
    'io.times': names.map((name) => reads(name, count, waitUs)).join(''),
    'io.pressure':
      'some avg10=43.00 avg60=8.90 avg300=1.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    ...files,
  });
}

/** A root, `gold` and `silver` at weights 80 and 20, and `lab` with `lab/slow` that its limit of 10 IOPS holds. */
export const GROUPS: readonly GroupSnapshot[] = [
  group(
    '',
    { reads: 1010, waitUs: 6400, queued: 512 },
    { 'io.depth': 'auto 8\n', 'io.cost': 'linear\n' },
  ),
  group('gold', { reads: 750, waitUs: 250, queued: 0 }, { 'io.weight': 'default 80\n' }, 'web'),
  group('silver', { reads: 250, waitUs: 900, queued: 30 }, { 'io.weight': 'default 20\n' }, 'db'),
  group('lab', { reads: 10, waitUs: 2_000_000, queued: 482 }, {}),
  group(
    'lab/slow',
    { reads: 10, waitUs: 2_000_000, queued: 482 },
    { 'io.max': 'iops=10\n', 'io.burst': 'iops=50/5\n', 'io.latency': 'target=2000\n' },
    'disk\u001b[2J',
  ),
];

const IMAGES = ['web', 'db', 'disk'].map((name, index) => ({
  name,
  path: `/srv/${name}.qcow2`,
  format: 'qcow2',
  size: 2 ** 30,
  readOnly: index === 1,
  passthrough: index === 2,
  faults: null,
}));

/** What is shown of these groups. */
export function testSight(groups: readonly GroupSnapshot[] = GROUPS): Sight {
  const about = { mountpoint: '/mnt/s', version: '0.1.0', transport: 'uring', clock: '14:02:11' };
  return sightOf(
    { ...about, minute: nextMinute(new Map(), groups), callers: null },
    groups,
    IMAGES,
  );
}
