import test from 'ava';
import { countMappings } from '../../../tools/lib/mappings.js';

test('pages of the heap are no mappings of the program, and all else is', (t) => {
  const maps = [
    '00400000-00500000 r-xp 00000000 fd:00 1234                       /usr/bin/node',
    '7f0000040000-7f0000080000 rw-p 00000000 00:00 0 ',
    '7f0000100000-7f0000180000 rw-p 00000000 00:00 0 ',
    '7f0000201000-7f0000241000 rw-p 00000000 00:00 0 ',
    '7f0000300000-7f0000340000 r--p 00000000 00:00 0 ',
    '7f0000400000-7f0000440000 rw-p 00000000 00:01 77                 /memfd:x (deleted)',
    '',
  ];
  t.is(countMappings(maps.join('\n')), 4);
});
