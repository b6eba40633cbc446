import test from 'ava';
import { LockTable, RangeLocks } from '../../src/plane/range-locks.js';
import fc from '../helpers/random-sequences.js';

interface Lock {
  id: number;
  start: number;
  end: number;
  exclusive: boolean;
}

/** The rule in its simplest form: a list by arrival; a lock is held when no earlier one conflicts. */
class Model {
  list: Lock[] = [];

  holds(lock: Lock): boolean {
    for (const other of this.list) {
      if (other === lock) return true;
      const overlap = other.start < lock.end && lock.start < other.end;
      if (overlap && (other.exclusive || lock.exclusive)) return false;
    }
    return true;
  }

  held(): number[] {
    return this.list.filter((lock) => this.holds(lock)).map((lock) => lock.id);
  }
}

/** Locks and model together; every call is compared. */
class Pair {
  readonly model = new Model();
  readonly held = new Set<number>();
  readonly #locks: RangeLocks;
  #next = 0;

  constructor(table: LockTable) {
    this.#locks = new RangeLocks(table);
  }

  begin(start: number, end: number, exclusive: boolean): void {
    const lock = { id: this.#next++, start, end, exclusive };
    this.model.list.push(lock);
    if (this.#locks.begin(lock.id, start, end, exclusive)) this.held.add(lock.id);
    this.#compare();
  }

  /** Releases one of the held locks. */
  end(choice: number): void {
    const candidates = [...this.held];
    const id = candidates[choice % candidates.length]!;
    this.model.list = this.model.list.filter((lock) => lock.id !== id);
    this.held.delete(id);
    const granted: number[] = [];
    this.#locks.end(id, (request) => granted.push(request));
    const sorted = [...granted].sort((a, b) => a - b);
    if (granted.join() !== sorted.join()) throw new Error(`granted out of order: ${granted}`);
    for (const request of granted) {
      if (this.held.has(request)) throw new Error(`granted twice: ${request}`);
      this.held.add(request);
    }
    this.#compare();
  }

  #compare(): void {
    const ours = [...this.held].sort((a, b) => a - b).join();
    const wanted = this.model.held().join();
    if (ours !== wanted) throw new Error(`held: ${ours}; by the model: ${wanted}`);
  }
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
    ),
  },
  { weight: 2, arbitrary: fc.nat() },
);

test('random locks are held as the plain rule says, in order, and all in the end', (t) => {
  const table = new LockTable();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const pair = new Pair(table);
      for (const one of steps) {
        if (typeof one !== 'number') pair.begin(one[0] * 512, (one[0] + one[1]) * 512, one[2]);
        else if (pair.held.size > 0) pair.end(one);
      }
      // Each released lock must let waiting ones proceed, so none waits for ever.
      while (pair.model.list.length > 0) {
        if (pair.held.size === 0) throw new Error('some wait and none is held');
        pair.end(0);
      }
    }),
    { seed: 20251120, numRuns: 1500 },
  );
  t.pass();
});

function never(request: number): void {
  throw new Error(`${request} was granted`);
}

test('whole-block writes to one range share', (t) => {
  const locks = new RangeLocks(new LockTable());
  t.true(locks.begin(1, 0, 4096, false));
  t.true(locks.begin(2, 0, 4096, false));
  locks.end(1, never);
  locks.end(2, never);
});

test('ranges that only touch do not stand in each other’s way', (t) => {
  const locks = new RangeLocks(new LockTable());
  t.true(locks.begin(1, 512, 1024, true));
  t.true(locks.begin(2, 1024, 1536, true));
  t.true(locks.begin(3, 0, 512, true));
  t.false(locks.begin(4, 1023, 1024, false));
});

test('a writer that shares does not overtake one that waits to exclude', (t) => {
  const locks = new RangeLocks(new LockTable());
  t.true(locks.begin(1, 0, 512, false));
  t.false(locks.begin(2, 0, 1024, true));
  t.false(locks.begin(3, 512, 1024, false)); // overlaps the waiting one only
  const granted: number[] = [];
  locks.end(1, (request) => granted.push(request));
  t.deepEqual(granted, [2]);
  locks.end(2, (request) => granted.push(request));
  t.deepEqual(granted, [2, 3]);
});

test('one end grants several that do not conflict, oldest first', (t) => {
  const locks = new RangeLocks(new LockTable());
  t.true(locks.begin(9, 0, 4096, true));
  t.false(locks.begin(5, 0, 512, true));
  t.false(locks.begin(7, 0, 512, true));
  t.false(locks.begin(3, 512, 4096, false));
  const granted: number[] = [];
  locks.end(9, (request) => granted.push(request));
  t.deepEqual(granted, [5, 3]);
});

test('two disks with one table do not know of each other', (t) => {
  const table = new LockTable();
  const [one, other] = [new RangeLocks(table), new RangeLocks(table)];
  t.true(one.begin(1, 0, 512, true));
  t.true(other.begin(2, 0, 512, true));
  t.false(one.begin(3, 0, 512, true));
  other.end(2, never);
});

test('offsets beyond 32 bits compare as the numbers they are', (t) => {
  const locks = new RangeLocks(new LockTable());
  t.true(locks.begin(1, 4294967296, 4294967808, true));
  t.true(locks.begin(2, 0, 512, true));
  t.false(locks.begin(3, 4294967807, 4294967900, true));
});

test('a request’s number can lock again once it has ended', (t) => {
  const locks = new RangeLocks(new LockTable());
  for (let i = 0; i < 3; i++) {
    t.true(locks.begin(1, 0, 512, i % 2 === 0));
    t.false(locks.begin(2, 0, 512, true));
    let granted = 0;
    locks.end(1, () => granted++);
    t.is(granted, 1);
    locks.end(2, never);
  }
});
