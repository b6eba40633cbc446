import test from 'ava';
import { Control, type ImageSnapshot } from '../../src/control/control.js';
import type { Assignment } from '../../src/control/set-up-groups.js';
import type { Disk, DiskConfig } from '../../src/plane/disk.js';
import { changeImages, type ImageOutcome } from '../../src/plane/image-changes.js';
import type { Detached, LiveImages } from '../../src/plane/live-images.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { refuse } from '../../src/util/errors.js';

const CONFIG = { name: 'web', path: '/web.img', format: 'raw' } as DiskConfig;

const GONE = [
  { name: 'web.raw', node: 0 },
  { name: 'web.p1.raw', node: 0 },
];
const SHOWN = { name: 'web', size: 4096 } as ImageSnapshot;
const EPERM = 1;
const ENOSPC = 28;

function rig() {
  const steps: string[] = [];
  const disk = { config: CONFIG, image: {} } as never as Disk;
  let detached: Detached = () => {};
  const images = {
    add: () => {
      steps.push('add');
      return disk;
    },
    showPartitions: () => steps.push('partitions'),
    undo: () => steps.push('undo'),
    find: () => ({ disk }),
    snapshotOf: (one: Disk) => (one === disk ? SHOWN : null),
    nodesOf: () => ['web.raw', 'web.p1.raw'].map((name, id) => ({ name, id: id + 7 })),
    resize: (_name: string, size: number, hostSize: number, done: (result: number) => void) => {
      steps.push(`resize ${size} ${hostSize}`);
      done(size === 1 ? -EPERM : size === 2 ? -ENOSPC : 0);
    },
    detach: (name: string, force: boolean, done: Detached) => {
      if (name === 'open') throw refuse('it is open', 'EBUSY');
      steps.push(`detach ${force}`);
      detached = done;
    },
  } as never as LiveImages;
  const throttle = new Throttle(4);
  const shown = [] as ImageSnapshot[];
  const control = new Control(
    throttle,
    {
      prepare: (_group, changes) => () => void steps.push(JSON.stringify(changes)),
      list: () => [],
    },
    () => 0,
    { images: () => shown, partitions: () => [], callers: () => [] },
  );
  throttle.createGroup('gold');
  const members = {
    stillGood: (asked: readonly Assignment[]) => asked.filter(({ member }) => member !== 'pid:7'),
  };
  const outcomes: ImageOutcome[] = [];
  return {
    ...{ steps, outcomes, shown, throttle, control, detached: () => detached },
    change: (change: Parameters<typeof changeImages>[1]) =>
      changeImages({ images, members, control }, change, (outcome) => outcomes.push(outcome)),
  };
}

test('an image is added, with its partitions, and then its members move', (t) => {
  const { change, steps, outcomes } = rig();
  change({ kind: 'attach', disk: CONFIG, assignments: [{ member: 'web', group: 'gold' }] });
  const member = '[{"member":{"kind":"image","name":"web"},"remove":false}]';
  t.deepEqual(steps, ['add', 'partitions', member]);
  t.deepEqual(outcomes, [{ error: null, isThere: true, image: SHOWN, stale: [] }]);
});

test('an image that is back has its groups again, as far as they are still good', (t) => {
  const { change, steps } = rig();
  const assignments = ['web', 'pid:7'].map((member) => ({ member, group: 'gold' }));
  change({ kind: 'attach', disk: CONFIG, assignments, isBack: true });
  const member = '[{"member":{"kind":"image","name":"web"},"remove":false}]';
  t.deepEqual(steps, ['add', 'partitions', member]);
});

test('an assignment that cannot be made takes all of it back', (t) => {
  const { change, steps, outcomes } = rig();
  change({ kind: 'attach', disk: CONFIG, assignments: [{ member: 'web', group: 'lead' }] });
  t.deepEqual(steps, ['add', 'partitions', 'undo']);
  const message = '--assign web=lead: there is no group "lead"; groups: /, gold';
  const error = { message, errno: 'ENOENT', exitCode: 2 };
  t.deepEqual(outcomes, [{ error, isThere: false, image: null, stale: [] }]);
});

for (const [what, force, failed, lost, isThere, message] of [
  ['all is flushed', false, 0, 0, false, null],
  [
    'it cannot be flushed',
    false,
    28,
    0,
    true,
    '/web.img: cannot be flushed: no space is left there (ENOSPC); it stays attached',
  ],
  [
    'it cannot be flushed, with force',
    true,
    5,
    5,
    false,
    /^\/web\.img: its last writes could not be flushed: .*; they may be lost$/,
  ],
  ['an earlier flush has lost data', false, 0, 5, false, /they may be lost$/],
] as const) {
  test(`a detach: ${what}`, (t) => {
    const { change, steps, outcomes, detached } = rig();
    change({ kind: 'detach', name: 'web', force });
    t.deepEqual(steps, [`detach ${force}`]);
    t.deepEqual(outcomes, []);
    detached()({ failed, lost });
    const [{ error, ...rest }] = outcomes as [ImageOutcome];
    t.deepEqual(rest, { isThere, image: null, stale: isThere ? [] : GONE });
    if (message === null) t.is(error, null);
    else if (typeof message === 'string') t.is(error!.message, message);
    else t.regex(error!.message, message);
  });
}

test('a detach that is refused leaves the image there', (t) => {
  const { change, outcomes } = rig();
  change({ kind: 'detach', name: 'open', force: false });
  const error = { message: 'it is open', errno: 'EBUSY', exitCode: 2 };
  t.deepEqual(outcomes, [{ error, isThere: true, image: null, stale: [] }]);
});

for (const [what, size, message] of [
  ['done', 512, null],
  ['impossible', 1, '/web.img: cannot grow: an image of the format raw keeps its size'],
  ['a full host', 2, '/web.img: cannot grow: no space is left there (ENOSPC)'],
] as const) {
  test(`a resize: ${what}`, (t) => {
    const { change, outcomes, steps } = rig();
    change({ kind: 'resize', name: 'web', size, hostSize: 99 });
    t.deepEqual(steps, [`resize ${size} 99`]);
    const [{ error, ...rest }] = outcomes as [ImageOutcome];
    t.is(error?.message ?? null, message);
    const stale = [
      { name: 'web.raw', node: 7 },
      { name: 'web.p1.raw', node: 8 },
    ];
    t.deepEqual(rest, { isThere: true, image: message === null ? SHOWN : null, stale });
  });
}

test('a limit that grows with an image has followed it before the outcome is told', (t) => {
  const { change, throttle, control, shown, outcomes } = rig();
  const gold = throttle.findGroup('gold')!;
  throttle.moveMember(throttle.createMember('web'), gold, 0);
  control.apply('gold', { perGb: { bps: { rate: 1 << 30, minimum: 0 } } });
  t.is(gold.limits.bps, Infinity);
  shown.push(SHOWN);
  change({ kind: 'resize', name: 'web', size: 4096, hostSize: 4096 });
  t.is(outcomes.length, 1);
  t.is(gold.limits.bps, 4096);
});
