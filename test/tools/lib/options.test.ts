import test from 'ava';
import { chosen, namedValues } from '../../../tools/lib/options.js';

const IDS = ['tmpfs/read', 'tmpfs/write', 'disk/read'];

test('a word of --only names an id or a part of one', (t) => {
  t.deepEqual([...chosen(IDS, undefined)], IDS);
  t.deepEqual([...chosen(IDS, 'disk/read, write')].sort(), ['disk/read', 'tmpfs/write']);
  t.deepEqual([...chosen(IDS, 'tmpfs')], ['tmpfs/read', 'tmpfs/write']);
  t.throws(() => chosen(IDS, 'rea'), {
    message: '--only: "rea" is none of tmpfs/read, tmpfs/write, disk/read',
  });
});

test('NAME=VALUE is split at the first equals sign', (t) => {
  t.deepEqual([...namedValues('peer', ['a=b --c=d'])], [['a', 'b --c=d']]);
  for (const bad of ['a', '=b', 'a=']) t.throws(() => namedValues('peer', [bad]));
  t.throws(() => namedValues('peer', ['a=1', 'a=2']), { message: '--peer: a is given twice' });
});
