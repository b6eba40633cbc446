import test from 'ava';
import type { KeptState } from '../../src/plane/kept-state.js';
import type { Kept } from '../../src/server/keeper.js';
import { deathsOf, handedOf, refusal } from '../../src/server/resume.js';
import { STATE_VERSION } from '../../src/server/successor.js';
import { mountConfig } from '../helpers/mount-config.js';

const KEPT = {
  ...{ version: STATE_VERSION, deaths: [1, 2, 3, 4, 5], daemon: { pid: 7, startTime: '1' } },
  serves: true,
  config: mountConfig({ mountpoint: '/mnt/s' }),
  images: [{ name: 'web' }, { name: 'only', own: { readOnly: true } }],
  ...{ identities: {}, fuse: 6, byFusermount: false, record: -1, holds: [] },
} as unknown as Kept;

const REFUSED: readonly [string, Partial<Kept>, boolean, string | null][] = [
  ['after five deaths the next daemon goes on', {}, true, null],
  ['after six it does not', { deaths: [1, 2, 3, 4, 5, 6] }, true, 'has died 6 times in a minute'],
  ['without a state there is nothing to go on with', {}, false, 'was not ready yet'],
  [
    'the state of another version is not understood',
    { version: 99 },
    true,
    `has state 99, and the daemon that is installed knows state ${STATE_VERSION}`,
  ],
];

for (const [title, own, hasBegun, why] of REFUSED) {
  test(title, (t) => {
    const error = refusal({ ...KEPT, ...own }, hasBegun);
    const left = hasBegun ? 'is dead: sluice umount /mnt/s removes it' : 'has been removed';
    const message = why === null ? null : `/mnt/s: its daemon ${why}; the mount ${left}`;
    t.is(error?.message ?? null, message);
  });
}

test('an image that was coming when the daemon died is in no group', (t) => {
  const members = ['web', 'web.p2', 'next', 'next.p1', 'uid:7'];
  const assignments = members.map((member) => ({ member, group: 'g' }));
  const plane = { images: [] };
  const state = { plane, session: 's', depth: 64, groups: [], assignments } as unknown;
  t.deepEqual(
    handedOf(KEPT, state as KeptState, 0).assignments.map(({ member }) => member),
    ['web', 'web.p2', 'uid:7'],
  );
});

test('images may have been written, and requests let go, until the death', (t) => {
  const images = ['web', 'only'].map((name) => ({ name, dirty: false, losses: {}, opens: [] }));
  const plane = { nodes: {}, newestHandle: 3, images, throttle: {}, atNs: 12_345, unseenNs: 20 };
  const state = { plane, session: 's', depth: 64, groups: [], assignments: [] } as unknown;
  const handed = handedOf(KEPT, state as KeptState, 12_360);
  t.deepEqual(
    handed.state.plane.images.map(({ name, dirty }) => [name, dirty]),
    [
      ['web', true],
      ['only', false],
    ],
  );
  const { atNs, unseenNs } = handed.state.plane;
  t.deepEqual([atNs, unseenNs], [12_345, 15]);
  // Later ones are in the next state.
  t.is(handedOf(KEPT, state as KeptState, 70_000).state.plane.unseenNs, 20);
  t.true(handed.state.plane.hasDied);
  t.is(handed.depth, 64);
  t.false(['deaths', 'daemon', 'serves', 'version'].some((key) => key in handed));
});

test('deaths count for a minute, and those of daemons that did not come to serve do not', (t) => {
  const kept = { version: STATE_VERSION, deaths: [1000, 50_000], serves: true };
  t.deepEqual(deathsOf(kept, 60_999), [1000, 50_000, 60_999]);
  t.deepEqual(deathsOf(kept, 61_000), [50_000, 61_000]);
  t.deepEqual(deathsOf({ ...kept, serves: false }, 61_000), [50_000]);
  t.deepEqual(deathsOf({ version: 99 } as never, 1), []);
});
