import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Mapping, mapAnonymous } from '../../src/sys/memory.js';
import {
  OP_FSYNC,
  OP_READ,
  OP_WRITE,
  SQE_CQE_SKIP_SUCCESS,
  SQE_FIXED_FILE,
  SQE_IO_LINK,
} from '../../src/uring/abi.js';
import { Ring } from '../../src/uring/ring.js';
import { probeRing } from '../../src/uring/setup.js';
import { requires } from '../helpers/requires.js';
import { pattern, tempFolder } from '../helpers/temp.js';

const EBADF = 9;
const EINVAL = 22;
const EOPNOTSUPP = 95;
const LINK = SQE_FIXED_FILE | SQE_IO_LINK | SQE_CQE_SKIP_SUCCESS;
const CONTENT = pattern(65536, 5);

const ringTest = requires('io_uring');

interface Rig {
  ring: Ring;
  memory: Mapping;
  bytes: Uint8Array;
  path: string;
}

/** A ring with one registered file of 65536 bytes, index 0. */
function rig(t: ExecutionContext, entries = 8, takesCommands = false): Rig {
  const path = join(tempFolder(t), 'file');
  writeFileSync(path, CONTENT);
  const descriptor = openSync(path, 'r+');
  t.teardown(() => closeSync(descriptor));
  const ring = new Ring(entries, takesCommands);
  t.is(ring.addFile(descriptor), 0);
  const memory = mapAnonymous(1 << 20);
  return { ring, memory, bytes: new Uint8Array(memory.buffer), path };
}

/** Reads completions until there are `count`, as [tag, result], in the order of their tags. */
function completions(ring: Ring, count: number): [number, number][] {
  const list: [number, number][] = [];
  for (let turn = 0; list.length < count && turn < 1000; turn++) {
    if (!ring.peek()) ring.submitAndWait(1e9);
    while (ring.peek()) {
      list.push([ring.completedTag, ring.completedResult]);
      ring.advance();
    }
  }
  return list.sort(([a], [b]) => a - b);
}

/** Gives the kernel time to complete what it should not. */
function nothingMore(t: ExecutionContext, ring: Ring): void {
  ring.submitAndWait(20e6);
  t.false(ring.peek());
}

ringTest('what is written through the ring is in the file, what is read is what was there', (t) => {
  const { ring, memory, bytes, path } = rig(t);
  bytes.set([1, 2, 3, 4]);
  ring.queue(OP_WRITE, SQE_FIXED_FILE, 0, memory.address, 4, 1000, 0, 7);
  t.is(ring.queued, 1);
  t.deepEqual(completions(ring, 1), [[7, 4]]);
  t.is(ring.queued, 0);
  t.deepEqual(
    [...readFileSync(path).subarray(999, 1005)],
    [CONTENT[999]!, 1, 2, 3, 4, CONTENT[1004]!],
  );
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address + 4096, 5000, 30000, 0, 8);
  t.deepEqual(completions(ring, 1), [[8, 5000]]);
  t.is(Buffer.compare(bytes.subarray(4096, 9096), CONTENT.subarray(30000, 35000)), 0);
});

ringTest('offsets above 2^32 go down whole, and what lies behind the end reads nothing', (t) => {
  const { ring, memory, bytes, path } = rig(t);
  bytes.set([9]);
  ring.queue(OP_WRITE, SQE_FIXED_FILE, 0, memory.address, 1, 5 * 2 ** 32 + 3, 0, 1);
  t.deepEqual(completions(ring, 1), [[1, 1]]);
  const file = openSync(path, 'r');
  t.teardown(() => closeSync(file));
  ring.queue(OP_READ, 0, file, memory.address + 8, 8, 5 * 2 ** 32 + 2, 0, 2);
  ring.queue(OP_READ, 0, file, memory.address + 16, 8, 6 * 2 ** 32, 0, 3);
  t.deepEqual(completions(ring, 2), [
    [2, 2],
    [3, 0],
  ]);
  t.deepEqual([...bytes.subarray(8, 10)], [0, 9]);
});

ringTest('an error comes back as the negative errno, a tag of 32 bits whole', (t) => {
  const { ring, memory } = rig(t);
  ring.queue(OP_READ, SQE_FIXED_FILE, 5, memory.address, 1, 0, 0, 0xfffffffe);
  ring.queue(255, 0, 0, 0, 0, 0, 0, 0xffffffff);
  t.deepEqual(completions(ring, 2), [
    [0xfffffffe, -EBADF],
    [0xffffffff, -EINVAL],
  ]);
});

ringTest('an entry that the kernel refuses does not hold up those behind it', (t) => {
  const { ring, memory } = rig(t);
  ring.queue(255, 0, 0, 0, 0, 0, 0, 1);
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address, 16, 0, 0, 2);
  t.deepEqual(completions(ring, 2), [
    [1, -EINVAL],
    [2, 16],
  ]);
});

ringTest('a linked pair that succeeds makes one completion, the second one’s', (t) => {
  const { ring, memory, path } = rig(t);
  ring.queue(OP_READ, LINK, 0, memory.address, 4096, 0, 0, 1);
  ring.queue(OP_WRITE, SQE_FIXED_FILE, 0, memory.address, 4096, 8192, 0, 2);
  t.deepEqual(completions(ring, 1), [[2, 4096]]);
  nothingMore(t, ring);
  const file = readFileSync(path);
  t.is(Buffer.compare(file.subarray(8192, 12288), CONTENT.subarray(0, 4096)), 0);
});

ringTest(
  'a linked read that is short makes one completion, and the write behind it is dropped',
  (t) => {
    const { ring, memory, path } = rig(t);
    ring.queue(OP_READ, LINK, 0, memory.address, 4096, 65536 - 100, 0, 1);
    ring.queue(OP_WRITE, SQE_FIXED_FILE, 0, memory.address, 4096, 8192, 0, 2);
    t.deepEqual(completions(ring, 1), [[1, 100]]);
    nothingMore(t, ring);
    t.is(Buffer.compare(readFileSync(path), CONTENT), 0);
  },
);

ringTest(
  'a linked read that fails makes one completion, and the write behind it is dropped',
  (t) => {
    const { ring, memory, path } = rig(t);
    ring.queue(OP_READ, LINK, 3, memory.address, 4096, 0, 0, 1);
    ring.queue(OP_WRITE, SQE_FIXED_FILE, 0, memory.address, 4096, 8192, 0, 2);
    t.deepEqual(completions(ring, 1), [[1, -EBADF]]);
    nothingMore(t, ring);
    t.is(Buffer.compare(readFileSync(path), CONTENT), 0);
  },
);

ringTest('a queue that is full flushes itself, and nothing is lost', (t) => {
  const { ring, memory, bytes } = rig(t, 4);
  for (let i = 0; i < 15; i++) {
    ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address + i * 16, 16, i * 1000, 0, i);
    t.true(ring.queued >= 1 && ring.queued <= 4);
  }
  const expected = Array.from({ length: 15 }, (_, i) => [i, 16]);
  t.deepEqual(completions(ring, 15), expected as [number, number][]);
  for (let i = 0; i < 15; i++) {
    const part = CONTENT.subarray(i * 1000, i * 1000 + 16);
    t.is(Buffer.compare(bytes.subarray(i * 16, i * 16 + 16), part), 0);
  }
});

ringTest('more completions than the completion queue holds are kept, not dropped', (t) => {
  const { ring, memory } = rig(t, 4);
  for (let i = 0; i < 100; i++) {
    ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address, 16, 0, 0, i);
  }
  t.deepEqual(
    completions(ring, 100),
    Array.from({ length: 100 }, (_, i) => [i, 16]),
  );
});

ringTest('a pair never straddles two submissions once room is reserved for it', (t) => {
  const { ring, memory } = rig(t, 4);
  for (let i = 0; i < 3; i++) ring.queue(OP_FSYNC, SQE_FIXED_FILE, 0, 0, 0, 0, 0, i);
  ring.reserve(1);
  t.is(ring.queued, 3);
  ring.reserve(2);
  t.is(ring.queued, 0);
  ring.queue(OP_READ, LINK, 3, memory.address, 16, 0, 0, 10);
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address, 16, 0, 0, 11);
  t.deepEqual(completions(ring, 4), [
    [0, 0],
    [1, 0],
    [2, 0],
    [10, -EBADF],
  ]);
});

ringTest('the indices go round many times', (t) => {
  const { ring, memory } = rig(t, 4);
  for (let i = 0; i < 1000; i++) {
    ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address, 8, i, 0, i);
    t.deepEqual(completions(ring, 1), [[i, 8]]);
  }
});

/** A busy machine lets a thread sleep longer than it asked for. */
const LATE_MS = 10_000;

for (const [timeoutMs, leastMs] of [
  [0, 0],
  [30, 29.9],
  [1100, 1099.9],
] as const) {
  ringTest(`a wait of ${timeoutMs} ms with nothing to come lasts that long`, (t) => {
    const { ring } = rig(t);
    const start = performance.now();
    ring.submitAndWait(timeoutMs * 1e6);
    const took = performance.now() - start;
    t.true(took >= leastMs && took < leastMs + LATE_MS, `${took} ms`);
    t.false(ring.peek());
    t.is(ring.queued, 0);
  });
}

ringTest(
  'a wait that times out has submitted what was queued, and ends early when that completes',
  (t) => {
    const { ring, memory } = rig(t);
    const start = performance.now();
    ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address, 16, 0, 0, 1);
    ring.submitAndWait(10e9);
    t.true(performance.now() - start < 5000);
    t.true(ring.peek());
    t.is(ring.completedResult, 16);
  },
);

ringTest('to submit does not wait', (t) => {
  const { ring, memory } = rig(t);
  ring.submit();
  t.false(ring.peek());
  ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address, 16, 0, 0, 1);
  ring.submit();
  t.is(ring.queued, 0);
  t.deepEqual(completions(ring, 1), [[1, 16]]);
});

ringTest('a probe leaves no descriptor behind', (t) => {
  const before = openSync('/dev/null', 'r');
  closeSync(before);
  for (let i = 0; i < 3; i++) probeRing();
  const after = openSync('/dev/null', 'r');
  closeSync(after);
  t.is(after, before);
});

ringTest('more files than the table has places are refused with a sentence', (t) => {
  const { ring, path } = rig(t);
  const descriptor = openSync(path, 'r');
  t.teardown(() => closeSync(descriptor));
  const error = t.throws(() => {
    for (let i = 0; i <= 65536; i++) ring.addFile(descriptor);
  });
  t.regex(error?.message ?? '', /^images have more than \d+ files, .*; use several mounts$/);
});

ringTest('a ring that takes commands does all else too, where a command was before', (t) => {
  const { ring, memory, bytes } = rig(t, 8, true);
  for (let tag = 0; tag < 8; tag++) {
    ring.queueCommand(SQE_FIXED_FILE, 0, 2, memory.address, 2, 0xffffffff, 0xffffffff, 3, tag);
  }
  // Its driver takes none.
  t.deepEqual(
    completions(ring, 8).map(([, result]) => result),
    Array.from({ length: 8 }, () => -EOPNOTSUPP),
  );
  for (let tag = 0; tag < 8; tag++) {
    ring.queue(OP_READ, SQE_FIXED_FILE, 0, memory.address + tag * 4096, 10 + tag, tag, 0, tag);
  }
  t.deepEqual(
    completions(ring, 8),
    Array.from({ length: 8 }, (_, tag) => [tag, 10 + tag]),
  );
  t.deepEqual([...bytes.subarray(7 * 4096, 7 * 4096 + 17)], [...CONTENT.subarray(7, 24)]);
});
