import { SLUICE } from '../lib/program.js';

/** An image of the demonstration, and the group that it is charged to. */
export interface Player {
  readonly name: string;
  /** Settings of its group when the mount begins, as `--group` takes them. */
  readonly settings: string;
  /** Requests that a process of its load keeps outstanding. */
  readonly depth: number;
  /** Processes of its load, each with that many. */
  readonly jobs: number;
}

/** Two that fight for the disk, and one that its limit holds. */
export const PLAYERS: readonly Player[] = [
  { name: 'gold', settings: 'weight=80', depth: 64, jobs: 2 },
  { name: 'silver', settings: 'weight=20', depth: 64, jobs: 2 },
  { name: 'held', settings: 'iops=10', depth: 512, jobs: 1 },
];

/** A stretch of the demonstration. */
export interface Act {
  readonly says: string;
  readonly seconds: number;
  /** Words of `sluice set` at its beginning, after the mount point; null: none. */
  readonly set: readonly string[] | null;
  /** Images whose load begins here. */
  readonly starts: readonly string[];
  /** Weights of the two that fight. */
  readonly weights: readonly [gold: number, silver: number];
}

export const ACTS: readonly Act[] = [
  {
    says: 'gold 80, silver 20',
    seconds: 10,
    set: null,
    starts: ['gold', 'silver'],
    weights: [80, 20],
  },
  {
    says: 'silver 320',
    seconds: 10,
    set: ['silver', 'weight=320'],
    starts: [],
    weights: [80, 320],
  },
  {
    says: 'both 80',
    seconds: 10,
    set: ['silver', 'weight=80'],
    starts: [],
    weights: [80, 80],
  },
  {
    says: '512 held at 10 IOPS',
    seconds: 12,
    set: null,
    starts: ['held'],
    weights: [80, 80],
  },
];

/** So few requests are in flight at a time that the others wait where weights choose among them. */
const DEPTH = '16';

/** Options of the mount. */
export const OPTIONS: readonly string[] = [
  ...['--depth', DEPTH],
  ...PLAYERS.flatMap(({ name, settings }) => ['--group', `${name}:${settings}`]),
  ...PLAYERS.flatMap(({ name }) => ['--assign', `${name}=${name}`]),
];

/** Releases what waits, so that its load can end. */
export const END: readonly string[] = ['set', 'MOUNTPOINT', 'held', 'iops=max'];

/** The load of an image as a command line. @param seconds how long it runs */
function fioLine({ name, depth, jobs }: Player, mib: number, seconds: number): string {
  const words = [
    '--rw=randread',
    '--bs=4k',
    '--ioengine=libaio',
    '--direct=1',
    '--time_based',
    '--allow_file_create=0',
  ];
  const size = [
    `--size=${mib}M`,
    `--iodepth=${depth}`,
    `--numjobs=${jobs}`,
    `--runtime=${seconds}`,
  ];
  return `fio --name=${name} --filename=s/${name}.raw ${[...words, ...size].join(' ')}`;
}

/** Shows what each gets now. */
const LOOK = 'sleep 3; sluice top s --once';

/** Lines for a shell that do the same, in a folder of their own. They can be pasted as a whole. */
export function byHand(mib: number): string {
  const images = PLAYERS.map(({ name }) => `${name}.img`);
  const loads = PLAYERS.map((one) => `${fioLine(one, mib, 60)} > ${one.name}.txt &`);
  return [
    `sluice() { node ${SLUICE} "$@"; }`,
    'mkdir /tmp/sluice-by-hand && cd /tmp/sluice-by-hand && mkdir s',
    `for i in ${images.join(' ')}; do head -c ${mib}M /dev/urandom > $i; done`,
    `sluice mount ${images.join(' ')} s \\\n  ${OPTIONS.join(' ')}`,
    ...loads,
    // It would read the lines after it as keys.
    '# At any time, on a line of its own: sluice top s     (? shows the keys, q ends)',
    LOOK,
    ...ACTS.flatMap(({ set }) => (set === null ? [] : [`sluice set s ${set.join(' ')}`, LOOK])),
    `sluice ${END.join(' ').replace('MOUNTPOINT', 's')} && wait     # for fio, up to a minute`,
    'sluice umount s && grep IOPS *.txt',
    'cd / && rm -r /tmp/sluice-by-hand',
  ].join('\n');
}
