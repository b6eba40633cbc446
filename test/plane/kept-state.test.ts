import { serialize } from 'node:v8';
import test from 'ava';
import { pack, unpack } from '../../src/plane/kept-state.js';

test('a state that was kept in parts is whole again, for each part is of its own moment', (t) => {
  const image = { name: 'web', dirty: true, losses: null, opens: [['web', 2]], partitions: null };
  const groups = { depth: 64, groups: [{ path: 'a', changes: {} }], assignments: [] };
  const owed = { throttle: { groups: [], members: [] }, atNs: 7, unseenNs: 20 };
  const nodes = { ids: [['', 1]], next: 9 };
  const parts = { nodes: pack(nodes), owed: pack(owed), groups: pack(groups), session: 'fuse' };
  const state = unpack({ newestHandle: 3, images: [image], ...parts } as never) as unknown;
  t.deepEqual(state, {
    plane: { newestHandle: 3, images: [image], ...owed, nodes },
    session: 'fuse',
    ...groups,
  });
  t.true(serialize(parts).length > 0, 'bytes are plain data');
});
