import test from 'ava';
import { FREE, LOCKED, NONE, PLAIN, Requests, TASK, WAITING } from '../../src/plane/requests.js';
import { WaitingIndex } from '../../src/plane/waiting-index.js';
import fc from '../helpers/random-sequences.js';

test('65536 requests can be under way, each with its number', (t) => {
  const requests = new Requests();
  const numbers = new Set<number>();
  while (requests.available > 0) numbers.add(requests.take());
  t.is(numbers.size, 65532);
  // The others are for tasks of the daemon.
  for (let i = 0; i < 4; i++) numbers.add(requests.take());
  t.is(numbers.size, 65536);
  t.is(Math.max(...[...numbers].slice(-1)), 65535);
  t.is(requests.count, 65536);
  requests.release(4711);
  t.is(requests.take(), 4711);
  t.throws(() => requests.take(), { message: /no request is free/ });
});

test('a request that is taken has no slot, no payload and is not in flight', (t) => {
  const requests = new Requests();
  const request = requests.take();
  requests.slot[request] = 3;
  requests.pooled[request] = 4096;
  requests.inFlight[request] = 1;
  requests.release(request);
  t.is(requests.state[request], FREE);
  t.is(requests.take(), request);
  t.is(requests.slot[request], NONE);
  t.is(requests.pooled[request], NONE);
  t.is(requests.inFlight[request], 0);
});

test('the number that was given back last is used first: few entries are touched', (t) => {
  const requests = new Requests();
  const [a, b] = [requests.take(), requests.take()];
  requests.release(a);
  requests.release(b);
  t.deepEqual([requests.take(), requests.take(), requests.take()], [b, a, 2]);
});

/** IDs that collide in few entries of the hash table: the low word without its lowest bit, modulo 4096. */
const id = fc.tuple(
  fc.constantFrom(0, 2, 8192, 16384, 0xfffffffe, 0xffffe000),
  fc.constantFrom(0, 1, 0x80000000, 0xffffffff),
);
const step = fc.record({ add: fc.boolean(), id, choice: fc.nat() });

test('the index finds exactly the requests that wait, by both halves of their id', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const requests = new Requests();
      const index = new WaitingIndex(requests);
      const waiting = new Map<string, number>();
      for (const {
        add,
        id: [low, high],
        choice,
      } of steps) {
        const key = `${low} ${high}`;
        if (add && !waiting.has(key)) {
          const request = requests.take();
          requests.uniqueLow[request] = low;
          requests.uniqueHigh[request] = high;
          index.add(request);
          waiting.set(key, request);
        } else if (!add && waiting.size > 0) {
          const [gone, request] = [...waiting][choice % waiting.size]!;
          index.remove(request);
          requests.release(request);
          waiting.delete(gone);
        }
        const found = index.find(low, high);
        if (found !== (waiting.get(key) ?? NONE)) throw new Error(`${key}: found ${found}`);
      }
    }),
    { seed: 20251120, numRuns: 500 },
  );
  t.pass();
});

test('to remove what does not wait changes nothing', (t) => {
  const requests = new Requests();
  const index = new WaitingIndex(requests);
  const [a, b] = [requests.take(), requests.take()];
  requests.uniqueLow[a] = 2;
  requests.uniqueLow[b] = 8194;
  index.add(a);
  index.remove(b);
  t.is(index.find(2, 0), a);
  t.is(index.find(8194, 0), NONE);
});

test('a watch ends when the requests at work on the disk have ended, and not for others', (t) => {
  const requests = new Requests();
  const begin = (disk: number, state: number, unique: number): number => {
    const request = requests.take();
    requests.disk[request] = disk;
    requests.state[request] = state;
    requests.uniqueLow[request] = unique;
    return request;
  };
  const plain = begin(1, PLAIN, 10);
  const task = begin(1, TASK, 12);
  begin(0, PLAIN, 14);
  begin(1, WAITING, 16);
  begin(1, LOCKED, 18);
  const ended = requests.watch((disk) => disk === 1);
  t.false(ended());
  requests.release(task);
  t.false(ended());
  requests.release(plain);
  const again = requests.take();
  t.is(again, plain, 'the number is taken again, by another request');
  // A request of our own, as of the last flush, has no id.
  requests.disk[again] = 1;
  requests.state[again] = TASK;
  t.true(ended());
  t.true(requests.watch((disk) => disk === 2)());
});
