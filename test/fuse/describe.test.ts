import test from 'ava';
import { describe } from '../../src/fuse/describe.js';
import { FLUSH, WRITE } from '../../src/plane/operation.js';
import { Requests } from '../../src/plane/requests.js';

const ENOSPC = 28;

test('a line names the request, its range if it has one, and the result', (t) => {
  const requests = new Requests();
  const request = requests.take();
  requests.uniqueLow[request] = 12;
  requests.offset[request] = 4096;
  requests.length[request] = 512;
  requests.operation[request] = WRITE;
  t.is(describe(requests, request, 'WRITE node 2', 8), '#12 WRITE node 2 512 at 4096: 8 bytes');
  t.is(describe(requests, request, 'WRITE', -ENOSPC), '#12 WRITE 512 at 4096: ENOSPC');
  requests.operation[request] = FLUSH;
  t.is(describe(requests, request, 'FSYNC', 0), '#12 FSYNC: 0 bytes');
});
