import test from 'ava';
import { ThreadCache } from '../../src/plane/thread-cache.js';

const MS = 1e6;

/** A cache that records its look-ups; thread N is member 10 N + `offset`. */
function counting() {
  const state = { offset: 0, asked: [] as number[] };
  const cache = new ThreadCache((thread) => {
    state.asked.push(thread);
    return thread * 10 + state.offset;
  });
  return { state, cache };
}

test('a thread is looked up once in 100 ms', (t) => {
  const { state, cache } = counting();
  t.is(cache.find(5, 0), 50);
  state.offset = 1;
  for (let time = 0; time < 100 * MS; time += MS) t.is(cache.find(5, time), 50);
  t.deepEqual(state.asked, [5]);
  t.is(cache.find(5, 100 * MS), 51);
  t.deepEqual(state.asked, [5, 5]);
});

test('threads are apart', (t) => {
  const { cache } = counting();
  t.is(cache.find(5, 0), 50);
  t.is(cache.find(4_194_304, 0), 41_943_040);
  t.is(cache.find(5, 0), 50);
});

test('after a change of rules everything is looked up again', (t) => {
  const { state, cache } = counting();
  cache.find(5, 0);
  cache.clear();
  state.offset = 1;
  t.is(cache.find(5, 0), 51);
});

test('500 threads cost at most 1000 look-ups a second', (t) => {
  const { state, cache } = counting();
  for (let time = 0; time < 1000 * MS; time += MS) {
    for (let thread = 1; thread <= 500; thread++) cache.find(thread, time);
  }
  t.true(state.asked.length <= 1500, `${state.asked.length}`); // the first 500 are extra
});

test('more threads than it remembers are all answered', (t) => {
  const { cache } = counting();
  for (let thread = 1; thread <= 10_000; thread++) t.is(cache.find(thread, 0), thread * 10);
});
