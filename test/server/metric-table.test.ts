import { spawnSync } from 'node:child_process';
import test from 'ava';
import { openMetricsContentType, prometheusContentType } from 'prom-client';
import { FigureReader } from '../../src/control/figures.js';
import { newSettings } from '../../src/control/settings.js';
import type { Caller } from '../../src/server/caller-names.js';
import type { Observation } from '../../src/server/metric-rows.js';
import { MetricTable } from '../../src/server/metric-table.js';
import { Counters } from '../../src/throttle/stats.js';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { requires } from '../helpers/requires.js';

const SECOND = 1e9;

/** A group with a limit and a member that has made a read, which waited for 100 ms; a write is in flight, and a read waits. */
function observe(): Observation {
  const reader = new FigureReader();
  const throttle = new Throttle(16, 8, new Counters((news) => reader.take(structuredClone(news))));
  const group = throttle.createGroup('a');
  const child = throttle.createGroup('a/b "c"');
  const member = throttle.createMember('my disk');
  throttle.moveMember(member, child, 0);
  throttle.setLimits(group, { riops: 10, bps: 1 << 20 }, 0);
  const settings = { ...newSettings(), limits: group.limits, latencyTarget: 2_000_000 };
  reader.take({ kind: 'settings', group: group.id, settings });
  throttle.submit(0, member, READ, 4096, 0);
  throttle.submit(1, member, WRITE, 512, 0);
  throttle.next(0.1 * SECOND);
  throttle.complete(0, 0.1 * SECOND + 20_000);
  throttle.submit(2, member, READ, 4096, 0.1 * SECOND + 20_000);
  return {
    version: '1.2.3',
    transport: 'uring',
    startTime: 1_700_000_000,
    images: [
      {
        name: 'my disk',
        path: '/srv/a "b"\\c',
        format: 'raw',
        readOnly: true,
        passthrough: false,
        faults: 'read.error=1%,seed=7',
      },
    ],
    groups: [...reader.observations()],
    callers: () => [],
  };
}

const without = (text: string, what: RegExp): string[] =>
  text.split('\n').filter((line) => !line.startsWith('#') && !what.test(line) && line !== '');

const CALLER: Caller = {
  ...{
    pid: 4242,
    uid: 1000,
    recent: 0.5,
    threads: 2,
    command: 'fio job.fio --x',
    cgroup: '/a "b"',
  },
  ...{ rios: 3, wios: 2, dios: 0, rbytes: 12288, wbytes: 1024, dbytes: 0 },
  ...{ waitNs: 5e8, serviceNs: 25e7, longestNs: 1, followedNs: 1 },
};

test('metrics of callers are there if they are asked for', async (t) => {
  let looks = 0;
  const callers = (): Caller[] => {
    looks++;
    return [CALLER, { ...CALLER, pid: 0, uid: 0, command: '[page cache]', cgroup: '' }];
  };
  const now = { ...observe(), callers };
  const plain = await new MetricTable(prometheusContentType).text(now);
  t.deepEqual([plain.includes('sluice_caller'), looks], [false, 0]);
  const text = await new MetricTable(prometheusContentType, true).text(now);
  t.is(looks, 1);
  const of = 'pid="4242",uid="1000",command="fio",cgroup="/a \\"b\\""';
  const lines = text.split('\n').filter((line) => line.startsWith('sluice_caller'));
  t.deepEqual(
    lines.filter((line) => line.includes('4242')),
    [
      `sluice_caller_requests_total{${of},op="read"} 3`,
      `sluice_caller_requests_total{${of},op="write"} 2`,
      `sluice_caller_requests_total{${of},op="discard"} 0`,
      `sluice_caller_bytes_total{${of},op="read"} 12288`,
      `sluice_caller_bytes_total{${of},op="write"} 1024`,
      `sluice_caller_bytes_total{${of},op="discard"} 0`,
      `sluice_caller_wait_seconds_total{${of}} 0.5`,
      `sluice_caller_service_seconds_total{${of}} 0.25`,
    ],
  );
  t.is(lines.filter((line) => line.includes('command="[page cache]"')).length, 8);
});

test('metrics of groups, members and images', async (t) => {
  const text = await new MetricTable(prometheusContentType).text(observe());
  const lines = without(text, /_bucket|^process_(cpu|resident)|pressure/);
  const b = 'group="a/b \\"c\\""';
  t.deepEqual(
    lines.filter((line) => !line.includes('group="/"')),
    [
      'sluice_build_info{version="1.2.3",transport="uring"} 1',
      'sluice_image_info{image="my disk",path="/srv/a \\"b\\"\\\\c",format="raw",read_only="true",passthrough="false"} 1',
      'sluice_image_faults{image="my disk",faults="read.error=1%,seed=7"} 1',
      'sluice_group_requests_total{group="a",op="read"} 1',
      'sluice_group_requests_total{group="a",op="write"} 1',
      'sluice_group_requests_total{group="a",op="discard"} 0',
      `sluice_group_requests_total{${b},op="read"} 1`,
      `sluice_group_requests_total{${b},op="write"} 1`,
      `sluice_group_requests_total{${b},op="discard"} 0`,
      'sluice_group_bytes_total{group="a",op="read"} 4096',
      'sluice_group_bytes_total{group="a",op="write"} 512',
      'sluice_group_bytes_total{group="a",op="discard"} 0',
      `sluice_group_bytes_total{${b},op="read"} 4096`,
      `sluice_group_bytes_total{${b},op="write"} 512`,
      `sluice_group_bytes_total{${b},op="discard"} 0`,
      'sluice_group_throttled_requests_total{group="a"} 1',
      `sluice_group_throttled_requests_total{${b}} 1`,
      'sluice_group_throttled_seconds_total{group="a"} 0.1',
      `sluice_group_throttled_seconds_total{${b}} 0.1`,
      'sluice_group_queued_requests{group="a"} 1',
      `sluice_group_queued_requests{${b}} 1`,
      'sluice_group_inflight_requests{group="a"} 1',
      `sluice_group_inflight_requests{${b}} 1`,
      'sluice_group_weight{group="a"} 100',
      `sluice_group_weight{${b}} 100`,
      'sluice_group_limit_requests_per_second{group="a",op="read"} 10',
      'sluice_group_limit_bytes_per_second{group="a",op="all"} 1048576',
      'sluice_group_minimum_requests_per_second{group="a"} 0',
      `sluice_group_minimum_requests_per_second{${b}} 0`,
      'sluice_group_minimum_bytes_per_second{group="a"} 0',
      `sluice_group_minimum_bytes_per_second{${b}} 0`,
      'sluice_group_latency_target_seconds{group="a"} 0.002',
      `sluice_member_queued_requests{${b},member="my disk"} 1`,
      `sluice_member_inflight_requests{${b},member="my disk"} 1`,
      'process_start_time_seconds 1700000000',
      `sluice_request_wait_seconds_sum{${b},member="my disk",op="read"} 0.1`,
      `sluice_request_wait_seconds_count{${b},member="my disk",op="read"} 1`,
      `sluice_request_service_seconds_sum{${b},member="my disk",op="read"} 0.00002`,
      `sluice_request_service_seconds_count{${b},member="my disk",op="read"} 1`,
    ],
  );
  const waits = [...text.matchAll(/wait_seconds_bucket\{.*le="([^"]+)"\} (\d+)/g)];
  t.deepEqual(
    waits
      .map(([, le, count]) => `${le} ${count}`)
      .filter((_, index) => index % 4 === 1 || index > 11),
    [
      '0.000032 0',
      '0.000512 0',
      '0.008192 0',
      '0.065536 0',
      '0.131072 1',
      '0.262144 1',
      '0.524288 1',
      '1.048576 1',
      '2.097152 1',
      '4.194304 1',
      '8.388608 1',
      '16.777216 1',
      '+Inf 1',
    ],
  );
});

test('a new observation takes the place of the one before', async (t) => {
  const table = new MetricTable(openMetricsContentType);
  await table.text(observe());
  const text = await table.text({ ...observe(), groups: [] });
  t.false(text.includes('group='));
  t.true(text.endsWith('# EOF\n'));
  t.true(text.includes('# TYPE sluice_group_requests counter'));
  t.regex(text, /^process_cpu_seconds_total [0-9.]+$/m);
});

requires('promtool')(
  'promtool finds nothing to complain of in names, units and help',
  async (t) => {
    const input = await new MetricTable(prometheusContentType).text(observe());
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input,
      encoding: 'utf8',
    });
    t.deepEqual({ status, said: stdout + stderr }, { status: 0, said: '' });
  },
);

test('how a group shares its limits with other hosts', async (t) => {
  const all = observe();
  const rates = [-1, -1, -1, -1, -1, 250];
  const figures = { wanted: rates, peers: 4, ageMs: 1500, storeMs: 2 } as const;
  const shared = { ...figures, state: 'granted', fault: 'none', granted: rates } as const;
  const groups = all.groups.map((group) => (group.path === 'a' ? { ...group, shared } : group));
  const text = await new MetricTable(prometheusContentType).text({ ...all, groups });
  t.deepEqual(
    text.split('\n').filter((line) => line.startsWith('sluice_group_shared')),
    [
      'sluice_group_shared_granted{group="a",rate="iops"} 250',
      'sluice_group_shared_wanted{group="a",rate="iops"} 250',
      'sluice_group_shared_has_grant{group="a"} 1',
      'sluice_group_shared_hosts{group="a"} 4',
      'sluice_group_shared_answer_age_seconds{group="a"} 1.5',
      'sluice_group_shared_store_seconds{group="a"} 0.002',
    ],
  );
});
