import test from 'ava';
import { NativeHandles } from '../../src/fuse/native-handles.js';

test('a number stands for a node and a handle until it is closed', (t) => {
  const handles = new NativeHandles();
  const [first, second] = [handles.open(2, 2 ** 40), handles.open(3, 7)];
  t.not(first, second);
  t.true(first > 0, '0 means none to fuse-native');
  t.deepEqual([handles.node(first), handles.handle(first)], [2, 2 ** 40]);
  t.deepEqual([handles.node(second), handles.handle(second)], [3, 7]);
  handles.close(first);
  t.deepEqual([handles.node(first), handles.handle(first)], [0, 0]);
  t.deepEqual([handles.node(second), handles.handle(second)], [3, 7]);
});
