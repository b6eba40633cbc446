import test from 'ava';
import { parseWords } from '../../src/control/text.js';
import { image, Mounted, SIZE } from './mounted.js';

const MS = 1e6;

test('limits follow images that grow in the turns that come, ten times a second at most', (t) => {
  // 64 requests a second for 64 KiB.
  const words = ['per_gb.iops=1048576', 'member=web'];
  const gold = { path: 'gold', changes: parseWords(words, false) };
  const m = new Mounted([image('web', 0)], undefined, [gold]);
  const { images, throttle } = m.assembly;
  const now = () => throttle.findGroup('gold')!.limits.iops;
  const grow = (bytes: number) => images.resize('web', null, bytes, () => {});
  t.is(now(), 64);
  m.turn();
  grow(2 * SIZE);
  m.nowNs += 99 * MS;
  m.turn();
  t.is(now(), 64);
  m.nowNs += MS;
  m.turn();
  t.is(now(), 128);
  // Nothing wakes the plane for that: without turns there are no requests that a limit could hold back.
  t.is(m.assembly.plane.wakeAtNs, Infinity);
  grow(3 * SIZE);
  m.nowNs += 3600e9;
  m.turn();
  t.is(now(), 192);
});
