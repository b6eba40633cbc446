import test from 'ava';
import { countOf } from '../../../tools/bench-fair/served.js';

test('requests and bytes of all members, reads and writes together', (t) => {
  const stat =
    'image0 rbytes=1 wbytes=2 dbytes=0 rios=1 wios=1 dios=0 wait_us=0 queued=0 inflight=0\n' +
    'total rbytes=8192 wbytes=4096 dbytes=512 rios=2 wios=1 dios=1 wait_us=7 queued=3 inflight=1\n';
  t.deepEqual(countOf(stat), { requests: 3, bytes: 12288 });
  t.throws(() => countOf(''), { message: /no line `total`/ });
});
