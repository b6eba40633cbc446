import test from 'ava';
import { Control } from '../../src/control/control.js';
import { planGroups } from '../../src/control/plan-groups.js';
import { type GroupsConfig, setUpGroups } from '../../src/control/set-up-groups.js';
import { formatWords } from '../../src/control/text.js';
import { Members } from '../../src/plane/members.js';
import { reformGroups } from '../../src/plane/reform-groups.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { ControlTree } from '../../src/tree/control-tree.js';
import { Tree } from '../../src/tree/tree.js';
import { SluiceError } from '../../src/util/errors.js';

const IMAGES = ['web', 'db'];
const RULES = ['uid:1', 'gid:2', 'cgroup:/build'];
const PATHS = ['a', 'a/x', 'a/y', 'b', 'b/z/z', 'c'];

function rig() {
  const throttle = new Throttle(16);
  const callers = {
    idOf: () => undefined,
    processOf: () => 0,
    startOf: () => '',
    cgroupOf: () => '',
  };
  const members = new Members(throttle, callers as never);
  for (const image of IMAGES) members.addImage(image);
  const images = () => IMAGES.map((name) => ({ name }) as never);
  const control = new Control(throttle, members, () => 0, { images, partitions: () => [] });
  /** All settings and members, by group. */
  const state = (path = ''): [string, string[]][] => [
    [path, [...formatWords(control.settings(path)), ...control.members(path).sort()]],
    ...control.groupsBelow(path).sort().flatMap(state),
  ];
  return {
    control,
    state: () => ({ groups: state(), depth: control.mountSettings().depth }),
  };
}

/** The generator of Park and Miller: the same numbers in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

/** The folders of groups that are there. */
function treeOf(control: Control): ControlTree {
  const orders = { isOpen: false, take: () => 0 };
  return new ControlTree(new Tree(), control, '', { reread: () => 0, orders }, () => {});
}

function randomGroups(next: (below: number) => number): GroupsConfig {
  const paths = PATHS.filter(() => next(2) === 0);
  const groups = paths.map((path) => {
    const bps = next(2) === 0 ? Infinity : 1000 + next(3);
    return { path, changes: { weight: 1 + next(3), limits: { bps } } };
  });
  const leaves = paths.filter((path) => !paths.some((other) => other.startsWith(`${path}/`)));
  const assignments = [...IMAGES, ...RULES].flatMap((member) => {
    const group = leaves[next(leaves.length + 1)];
    return group === undefined ? [] : [{ member, group }];
  });
  return { depth: next(2) === 0 ? 'auto' : 7, groups, assignments };
}

test('the steps lead to what a mount with the new groups begins with', (t) => {
  const next = numbers(7);
  for (let round = 0; round < 300; round++) {
    const [before, after] = [randomGroups(next), randomGroups(next)];
    const [there, fresh] = [rig(), rig()];
    setUpGroups(before, there.control);
    reformGroups(there.control, treeOf(there.control), planGroups(before, after));
    setUpGroups(after, fresh.control);
    t.deepEqual(there.state(), fresh.state(), JSON.stringify({ before, after }));
  }
});

test('a step that fails takes all others back', (t) => {
  const next = numbers(11);
  for (let round = 0; round < 300; round++) {
    const [before, after] = [randomGroups(next), randomGroups(next)];
    const { control, state } = rig();
    setUpGroups(before, control);
    const was = state();
    const steps = planGroups(before, after);
    const at = next(steps.length + 1);
    const wrong = { kind: 'set', group: 'no/such', changes: { weight: 1 } } as const;
    const failing = [...steps.slice(0, at), wrong, ...steps.slice(at)];
    const tree = treeOf(control);
    const error = t.throws(() => reformGroups(control, tree, failing), { instanceOf: SluiceError });
    t.regex(error!.message, /^groups: no\/such: there is no group "no\/such"; groups: \//);
    t.deepEqual(state(), was, JSON.stringify({ before, after, at }));
  }
});

test('what somebody has changed meanwhile stays, and what he has made or taken away is no fault', (t) => {
  const { control, state } = rig();
  const before: GroupsConfig = {
    depth: 'auto',
    groups: [
      { path: 'a', changes: { weight: 5 } },
      { path: 'b', changes: {} },
    ],
    assignments: [{ member: 'uid:1', group: 'b' }],
  };
  setUpGroups(before, control);
  control.apply('a', { limits: { bps: 77 } });
  control.apply('b', { members: [{ member: { kind: 'uid', id: 1 }, remove: true }] });
  control.removeGroup('b');
  control.makeGroup('c');
  const after: GroupsConfig = {
    depth: 'auto',
    groups: [
      { path: 'a', changes: { weight: 6 } },
      { path: 'c', changes: { weight: 9 } },
    ],
    assignments: [],
  };
  reformGroups(control, treeOf(control), planGroups(before, after));
  t.deepEqual(state().groups, [
    ['', ['db', 'web']],
    ['a', ['bps=77', 'weight=6']],
    ['c', ['weight=9']],
  ]);
});

test('folders of groups that are gone are told, for the kernel', (t) => {
  const { control } = rig();
  const before: GroupsConfig = {
    depth: 'auto',
    groups: [{ path: 'a/x', changes: {} }],
    assignments: [],
  };
  setUpGroups(before, control);
  const steps = planGroups(before, { ...before, groups: [] });
  const gone = reformGroups(control, treeOf(control), steps);
  t.deepEqual(
    gone.map(({ name }) => name),
    ['x', 'a'],
  );
});
