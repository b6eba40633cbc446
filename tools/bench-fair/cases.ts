/** One competitor: the fio jobs of one group. */
export interface Party {
  /** Path of its group. */
  group: string;
  /** Threads, each with one request in flight. */
  jobs: number;
  /** Bytes of a request; 4096 if not given. What they do, if not that of the case. */
  bytes?: number;
  rw?: FairCase['rw'];
  /** Share in percent according to the weights. */
  wanted: number;
}

/** One load under weights. */
export interface FairCase {
  /** Words separated by slashes, for --only. */
  id: string;
  place: 'disk' | 'tmpfs';
  rw: 'randread' | 'randwrite' | 'randrw';
  /** What distinguishes the parties: an image each, or different callers on one image. */
  keyed: 'image' | 'cgroup' | 'uid';
  /** `--depth`. */
  depth: string;
  /** Values of `--group`, parents too. */
  groups: readonly string[];
  parties: readonly Party[];
  /** Allowed error of a share in percentage points; null if the share is only reported. */
  tolerance: number | null;
  /** Lower bound of the first percentile of isolation over the seconds, in percent; null if only reported. */
  leastP1: number | null;
  /** Lower bound of the total, in percent of the same load without a window; null if only reported. */
  leastTotal: number | null;
  /** Lower bound of the first party's rate, in percent of its rate alone; null if only reported. */
  leastOfSolo: number | null;
  /** The first party runs alone as well. */
  isSoloMeasured?: boolean;
  /** Published shares of the first group for the same weights. */
  published: string;
}

/** Shares of group A published for dm-ioband in February and March 2008. */
const PUBLISHED: Readonly<Record<string, string>> = {
  '80:20': 'dm-ioband 80.6, Xen 78.3, KVM 60.2 to 48.1; io_throttle 1: 75.8, 71.1',
  '50:50': 'io_throttle 1: 55.5, 49.3',
  '20:80': 'io_throttle 1: 39.8, 21.4',
  '10:90': 'io_throttle 1: 21.1, 16.4',
};

const WEIGHTS: readonly [number, number][] = [
  [80, 20],
  [50, 50],
  [20, 80],
  [10, 90],
];

const MIXES = { read: 'randread', write: 'randwrite', mixed: 'randrw' } as const;

function two(a: number, b: number, jobs: number): Pick<FairCase, 'groups' | 'parties'> {
  return {
    groups: [`a:weight=${a}`, `b:weight=${b}`],
    parties: [
      { group: 'a', jobs, wanted: (100 * a) / (a + b) },
      { group: 'b', jobs, wanted: (100 * b) / (a + b) },
    ],
  };
}

const ASKED = { tolerance: 0.5, leastP1: 97, leastTotal: 90, leastOfSolo: null } as const;
const REPORTED = { tolerance: null, leastP1: null, leastTotal: null, leastOfSolo: null } as const;
const USUAL = { place: 'disk', rw: 'randread', keyed: 'image', depth: 'auto' } as const;

/** The main cases: 2 x 128 threads, four pairs of weights; reads, writes and both. */
function founding(jobs: number): FairCase[] {
  return Object.entries(MIXES).flatMap(([mix, rw]) =>
    WEIGHTS.map(([a, b]): FairCase => {
      const published = PUBLISHED[`${a}:${b}`]!;
      return { ...USUAL, ...ASKED, ...two(a, b, jobs), id: `${mix}/${a}:${b}`, rw, published };
    }),
  );
}

function keyed(jobs: number): FairCase[] {
  const published = 'per cgroup 80.6; A a guest, B host processes: 2.0';
  return (['cgroup', 'uid'] as const).map((by) => {
    return { ...USUAL, ...ASKED, ...two(80, 20, jobs), id: `${by}/80:20`, keyed: by, published };
  });
}

function trees(jobs: number): FairCase[] {
  const party = (group: string, wanted: number): Party => ({ group, jobs, wanted });
  const common = { ...USUAL, ...ASKED, published: '-' };
  return [
    {
      ...common,
      id: 'three/60:30:10',
      groups: ['a:weight=60', 'b:weight=30', 'c:weight=10'],
      parties: [party('a', 60), party('b', 30), party('c', 10)],
    },
    {
      ...common,
      id: 'tree/80(75:25):20',
      groups: ['top:weight=80', 'top/a:weight=75', 'top/b:weight=25', 'c:weight=20'],
      parties: [party('top/a', 60), party('top/b', 20), party('c', 20)],
    },
  ];
}

/** Few requests in flight: exact shares then cost throughput. */
function few(): FairCase[] {
  const depths = ['2', '4', '6', 'auto'];
  return depths.map((depth) => ({
    ...USUAL,
    ...REPORTED,
    ...two(80, 20, 4),
    id: `few/4+4/${depth}`,
    depth,
    tolerance: depth === '2' || depth === 'auto' ? 2 : null,
    published: 'dm-ioband 75.8, 71.1',
  }));
}

/** Weight 80 from one thread against weight 20 from 128. */
function worst(jobs: number): FairCase[] {
  const parties = [
    { group: 'a', jobs: 1, wanted: 80 },
    { group: 'b', jobs, wanted: 20 },
  ];
  const common = {
    ...USUAL,
    ...REPORTED,
    parties,
    isSoloMeasured: true,
    published: '2.0 (191 against 9466)',
  };
  const plain = ['a:weight=80', 'b:weight=20'];
  // Less than the latency of a request alone, so that nothing is left that the crowd could give way in.
  const guarded = ['a:weight=80,latency=50', 'b:weight=20'];
  return [
    { ...common, id: 'worst/weights', groups: plain },
    { ...common, id: 'worst/latency', groups: guarded, leastOfSolo: 80 },
  ];
}

/** The device is no bottleneck here; a window makes requests wait nevertheless. */
function memory(jobs: number): FairCase[] {
  const common = { ...USUAL, ...two(80, 20, jobs), place: 'tmpfs', published: '-' } as const;
  return [
    { ...common, ...REPORTED, tolerance: 1, id: 'tmpfs/80:20/16', depth: '16' },
    { ...common, ...REPORTED, id: 'tmpfs/80:20/auto' },
  ];
}

/** Requests of different cost: shares are those of cost. */
function sizes(jobs: number): FairCase[] {
  const large = two(50, 50, jobs);
  const [a, b] = two(80, 20, jobs).parties as [Party, Party];
  const common = { ...USUAL, ...ASKED, leastTotal: null, published: '-' };
  const { groups } = two(80, 20, jobs);
  return [
    { ...common, groups, id: 'sizes/64K:4K', parties: [{ ...a, bytes: 65536 }, b] },
    { ...common, groups, id: 'sizes/4K:64K', parties: [a, { ...b, bytes: 65536 }] },
    {
      ...common,
      groups: large.groups,
      id: 'sizes/read:write',
      parties: large.parties.map((party, i) => ({
        ...party,
        rw: i === 0 ? 'randread' : 'randwrite',
      })),
    },
  ];
}

/** Groups of the same weight, for Jain's index. */
function many(jobs: number): FairCase[] {
  return [2, 8, 64].map((count) => {
    const names = Array.from({ length: count }, (_, i) => `g${i}`);
    return {
      ...USUAL,
      ...REPORTED,
      tolerance: 1,
      id: `many/${count}`,
      keyed: 'uid',
      groups: names.map((name) => `${name}:weight=100`),
      parties: names.map((group) => {
        return { group, jobs: Math.max(2, Math.floor((2 * jobs) / count)), wanted: 100 / count };
      }),
      published: '-',
    };
  });
}

/** A part of the cases that takes less than five minutes, at QUICK_SECONDS each. */
export const QUICK_SECONDS = 6;
export const QUICK_PAIRS = 3;
export const QUICK =
  'read/80:20,read/10:90,write/80:20,mixed/50:50,cgroup/80:20,three,tree,few/4+4/auto,' +
  'sizes/64K:4K,many/8,worst/latency,live/start';

/** @param jobs Threads of each side of the large loads, 128 in the main cases. */
export function fairCases(jobs: number): FairCase[] {
  return [
    ...founding(jobs),
    ...keyed(jobs),
    ...trees(jobs),
    ...few(),
    ...sizes(jobs),
    ...many(jobs),
    ...worst(jobs),
    ...memory(jobs),
  ];
}
