import { Counter, Gauge, type Metric, Registry, type RegistryContentType } from 'prom-client';
import { limitsInForce } from '../control/sized-limits.js';
import { DIRECTIONS } from '../throttle/figure-rows.js';
import { startOf } from '../throttle/latency-buckets.js';
import { SERVICE, WAIT } from '../throttle/latency-memory.js';
import type { SpanSum } from '../throttle/latency-reader.js';
import type { Caller } from './caller-names.js';
import {
  groupName,
  type Labels,
  type Observation,
  ofGroupOps,
  ofGroups,
  ofMembers,
  ofProcess,
  ofShared,
  type Row,
  type Sample,
} from './metric-rows.js';

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** All metrics but histograms. Names follow the conventions of Prometheus: base units, `_total` for counters. */
const ROWS: readonly Row[] = [
  {
    kind: 'gauge',
    name: 'sluice_build_info',
    help: 'Version of the daemon, and how it speaks to the kernel. Always 1.',
    labels: ['version', 'transport'],
    samples: ({ version, transport }) => [[{ version, transport }, 1]],
  },
  {
    kind: 'gauge',
    name: 'sluice_image_info',
    help: 'An image of the mount. Always 1.',
    labels: ['image', 'path', 'format', 'read_only', 'passthrough'],
    samples: ({ images }) =>
      images.map(({ name, path, format, readOnly, passthrough }) => {
        const flags = { read_only: String(readOnly), passthrough: String(passthrough) };
        return [{ image: name, path, format, ...flags }, 1];
      }),
  },
  {
    kind: 'gauge',
    name: 'sluice_image_faults',
    help: 'An image that has faults on purpose (--faults), and which. Always 1.',
    labels: ['image', 'faults'],
    samples: ({ images }) =>
      images.flatMap(({ name, faults }): Sample[] =>
        faults === null ? [] : [[{ image: name, faults }, 1]],
      ),
  },
  ofGroupOps(
    'counter',
    'requests_total',
    'Admitted requests, with those of groups below.',
    ({ total }) => {
      return { read: total.rios, write: total.wios, discard: total.dios };
    },
  ),
  ofGroupOps(
    'counter',
    'bytes_total',
    'Bytes of admitted requests, with those of groups below.',
    ({ total }) => {
      return { read: total.rbytes, write: total.wbytes, discard: total.dbytes };
    },
  ),
  ofGroups(
    'counter',
    'throttled_requests_total',
    'Requests that had to wait in the group or above.',
    ({ total }) => total.waits,
  ),
  ofGroups(
    'counter',
    'throttled_seconds_total',
    'Time that admitted requests had waited, all added up.',
    ({ total }) => total.waitNs / 1e9,
  ),
  ofGroups('gauge', 'queued_requests', 'Requests that wait now.', ({ total }) => total.queued),
  ofGroups(
    'gauge',
    'inflight_requests',
    'Requests that were admitted and have no reply yet.',
    ({ total }) => total.inflight,
  ),
  ofGroups(
    'counter',
    'pressure_some_seconds_total',
    'Time in which at least one request of the group waited.',
    ({ stalled }) => stalled.some,
  ),
  ofGroups(
    'counter',
    'pressure_full_seconds_total',
    'Time in which all outstanding requests of the group waited.',
    ({ stalled }) => stalled.full,
  ),
  ofGroups(
    'gauge',
    'weight',
    'Weight of the group among its siblings.',
    ({ settings }) => settings.weight,
  ),
  ofGroupOps(
    'gauge',
    'limit_requests_per_second',
    'Limit of requests, where one is set; op="all" is the one of all together.',
    (group) => {
      const limits = limitsInForce(group.settings.limits, group.sized);
      return { read: limits.riops, write: limits.wiops, all: limits.iops };
    },
  ),
  ofGroupOps(
    'gauge',
    'limit_bytes_per_second',
    'Limit of bytes, where one is set; op="all" is the one of all together.',
    (group) => {
      const limits = limitsInForce(group.settings.limits, group.sized);
      return { read: limits.rbps, write: limits.wbps, all: limits.bps };
    },
  ),
  ofGroups(
    'gauge',
    'minimum_requests_per_second',
    'Requests that the group gets before weights count.',
    ({ settings }) => settings.minimum.iops,
  ),
  ofGroups(
    'gauge',
    'minimum_bytes_per_second',
    'Bytes that the group gets before weights count.',
    ({ settings }) => settings.minimum.bps,
  ),
  {
    ...ofGroups('gauge', 'latency_target_seconds', 'Latency target, where one is set.', () => 0),
    samples: ({ groups }) =>
      groups
        .filter(({ settings }) => settings.latencyTarget !== Infinity)
        .map((group) => [{ group: groupName(group) }, group.settings.latencyTarget / 1e9]),
  },
  ofShared('shared_granted', 'What this host has of a limit that hosts share, per second.', {
    each: ({ granted }) => granted,
  }),
  ofShared('shared_wanted', 'What this host would use of it, per second.', {
    each: ({ wanted }) => wanted,
  }),
  ofShared('shared_has_grant', '1 while the store has given what this host has, 0 otherwise.', {
    one: ({ state }) => (state === 'granted' ? 1 : 0),
  }),
  ofShared('shared_hosts', 'Hosts that share the limit.', { one: ({ peers }) => peers }),
  ofShared('shared_answer_age_seconds', 'Time since the last answer of the store.', {
    one: ({ ageMs }) => (ageMs === null ? null : ageMs / 1000),
  }),
  ofShared('shared_store_seconds', 'How long the last answer of the store took.', {
    one: ({ storeMs }) => (storeMs === null ? null : storeMs / 1000),
  }),
  ofMembers('queued_requests', 'Requests of the member that wait now.', ({ queued }) => queued),
  ofMembers(
    'inflight_requests',
    'Requests of the member that were admitted and have no reply yet.',
    ({ inflight }) => inflight,
  ),
  ofProcess('counter', 'cpu_seconds_total', 'Processor time of the daemon.', cpuSeconds),
  ofProcess('gauge', 'resident_memory_bytes', 'Resident memory of the daemon.', () =>
    process.memoryUsage.rss(),
  ),
  {
    ...ofProcess(
      'gauge',
      'start_time_seconds',
      'When the daemon started, seconds since 1970.',
      () => 0,
    ),
    samples: ({ startTime }) => [[{}, startTime]],
  },
];

/** Without its arguments, which may be long, secret, and different each time. */
const programOf = (command: string): string =>
  command.startsWith('[') ? command : command.split(' ')[0]!;

/** A metric of each process that makes requests, told by the label `op`. */
function ofCallers(
  name: string,
  help: string,
  values: (caller: Caller) => Readonly<Record<string, number>>,
  labels: readonly string[] = ['op'],
): Row {
  const samples = ({ callers }: Observation): Sample[] =>
    callers().flatMap((caller) => {
      const { pid, uid, command, cgroup } = caller;
      const of = { pid: String(pid), uid: String(uid), command: programOf(command), cgroup };
      return Object.entries(values(caller)).map(
        ([op, value]): Sample => [labels.length === 0 ? of : { ...of, op }, value],
      );
    });
  return {
    kind: 'counter',
    name: `sluice_caller_${name}`,
    help,
    labels: [...CALLER_LABELS, ...labels],
    samples,
  };
}

const CALLER_LABELS = ['pid', 'uid', 'command', 'cgroup'];

/** Callers, of whom a scrape has only if it asks: each new process is new series. */
const CALLER_ROWS: readonly Row[] = [
  ofCallers(
    'requests_total',
    'Requests of a process that have completed.',
    ({ rios, wios, dios }) => {
      return { read: rios, write: wios, discard: dios };
    },
  ),
  ofCallers(
    'bytes_total',
    'Bytes of requests of a process that have completed.',
    ({ rbytes, wbytes, dbytes }) => {
      return { read: rbytes, write: wbytes, discard: dbytes };
    },
  ),
  ofCallers(
    'wait_seconds_total',
    'Time that requests of a process waited in groups, added up.',
    ({ waitNs }) => ({ all: waitNs / 1e9 }),
    [],
  ),
  ofCallers(
    'service_seconds_total',
    'Time from admission to reply of requests of a process, added up.',
    ({ serviceNs }) => ({ all: serviceNs / 1e9 }),
    [],
  ),
];

/** Ends of the buckets of histograms: 16 us and its doublings up to 16.8 s, as numbers of our buckets. */
const ENDS: readonly number[] = Array.from({ length: 21 }, (_, index) => 16 + 8 * index);

const HISTOGRAMS = [
  {
    name: 'sluice_request_wait_seconds',
    help: 'Time that requests waited in groups, of those that have completed.',
    stage: WAIT,
  },
  {
    name: 'sluice_request_service_seconds',
    help: 'Time from the admission of requests to their replies.',
    stage: SERVICE,
  },
] as const;

/** The page about metrics has each. */
export const METRIC_NAMES: readonly string[] = [...ROWS, ...CALLER_ROWS, ...HISTOGRAMS].map(
  ({ name }) => name,
);

type HistogramSample = { metricName: string; labels: Labels; value: number };

/** The lines of one histogram: `_bucket` for each end, `_sum` and `_count`. */
function* histogram(
  name: string,
  stage: number,
  labels: Labels,
  sum: SpanSum,
): Generator<HistogramSample> {
  const { us } = sum.stages[stage]!;
  const counts = sum.countsOf(stage);
  let below = 0;
  let bucket = 0;
  for (const end of ENDS) {
    while (bucket < end) below += counts[bucket++]!;
    const le = String(startOf(end) / 1e6);
    yield { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  }
  while (bucket < counts.length) below += counts[bucket++]!;
  yield { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: below };
  yield { metricName: `${name}_sum`, labels, value: us / 1e6 };
  yield { metricName: `${name}_count`, labels, value: below };
}

function* histograms(name: string, stage: number, all: Observation): Generator<HistogramSample> {
  for (const group of all.groups) {
    for (const [index, { name: member }] of group.members.entries()) {
      for (const op of DIRECTIONS) {
        const sum = group.sums[index]![op];
        if (sum === undefined) continue;
        yield* histogram(name, stage, { group: groupName(group), member, op }, sum);
      }
    }
  }
}

/** Texts of the metrics, in one of the two formats. Nothing is kept between scrapes but the names. */
export class MetricTable {
  readonly #registry = new Registry<RegistryContentType>();
  #now: Observation | null = null;

  readonly #withCallers: boolean;

  /** @param withCallers Whether there are metrics of processes. */
  constructor(contentType: RegistryContentType, withCallers = false) {
    this.#withCallers = withCallers;
    this.#registry.setContentType(contentType);
    for (const row of withCallers ? [...ROWS, ...CALLER_ROWS] : ROWS) this.#register(row);
    for (const one of HISTOGRAMS) this.#registerHistogram(one);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(now: Observation): Promise<string> {
    // Each look into /proc takes some milliseconds.
    const found = this.#withCallers ? now.callers() : [];
    this.#now = { ...now, callers: () => found };
    return this.#registry.metrics();
  }

  #register({ kind, name, help, labels, samples }: Row): void {
    const now = (): Observation => this.#now!;
    const settings = { name, help, labelNames: [...labels], registers: [this.#registry] };
    // prom-client calls `collect` with the metric as `this`.
    if (kind === 'gauge') {
      new Gauge({
        ...settings,
        collect() {
          this.reset();
          for (const [of, value] of samples(now())) this.set(of, value);
        },
      });
      return;
    }
    new Counter({
      ...settings,
      collect() {
        this.reset();
        for (const [of, value] of samples(now())) this.inc(of, Math.max(0, value));
      },
    });
  }

  /** prom-client's own histogram counts one time after the other; these counts are there already. */
  #registerHistogram({ name, help, stage }: (typeof HISTOGRAMS)[number]): void {
    const get = async () => {
      const values = [...histograms(name, stage, this.#now!)];
      return { name, help, type: 'histogram', aggregator: 'sum', values };
    };
    this.#registry.registerMetric({ name, get } as unknown as Metric);
  }
}
