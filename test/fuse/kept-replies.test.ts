import test from 'ava';
import { replyOffset } from '../../src/buffers/memory.js';
import { KeptReplies } from '../../src/fuse/kept-replies.js';
import { Requests } from '../../src/plane/requests.js';
import { hex, memory } from './exchange.js';

const RESENT = 0x8000_0000;

function setUp() {
  const requests = new Requests();
  const replies = new KeptReplies(memory, requests);
  const take = (low: number, high: number): number => {
    const request = requests.take();
    requests.uniqueLow[request] = low;
    requests.uniqueHigh[request] = high;
    return request;
  };
  return { replies, take };
}

const REPLY = hex('length 18000000', 'error 00*4', 'unique 1400000001000000', 'payload ab*8');

test('a reply is kept by the id of its request, and repeated once, with the bit that the kernel has set', (t) => {
  const before = setUp();
  const request = before.take(20, 1);
  memory.bytes.set(REPLY, replyOffset(request));
  const kept = structuredClone(before.replies.carryOut([request]));
  t.deepEqual(kept, [[2 ** 32 + 20, REPLY]]);

  const { replies, take } = setUp();
  replies.carryIn(kept);
  const again = take(20, RESENT + 1);
  const at = replyOffset(again);
  memory.bytes.fill(0, at, at + 24);
  t.is(replies.repeat(again), 24);
  const sent = hex('length 18000000', 'error 00*4', 'unique 1400000001000080', 'payload ab*8');
  t.deepEqual(memory.bytes.slice(at, at + 24), sent);
  t.is(replies.repeat(again), 0);
  t.deepEqual(replies.carryOut([]), []);
});

test('a request that is new, or was not answered, is carried out, and the replies go on to the next process', (t) => {
  const { replies, take } = setUp();
  t.is(replies.repeat(take(20, RESENT)), 0);
  replies.carryIn([[20, REPLY]]);
  t.is(replies.repeat(take(20, 0)), 0);
  t.is(replies.repeat(take(22, RESENT)), 0);
  t.deepEqual(replies.carryOut([]), [[20, REPLY]]);
});
