import test from 'ava';
import { PENDING } from '../../src/host/engine.js';
import type { Agreed } from '../../src/nbd/handshake.js';
import { Dice, EIO } from '../helpers/nbd-model.js';
import {
  AGREED,
  bytes,
  FUA,
  memory,
  REQUESTS,
  Rig,
  SIZE,
  SLOT,
  WRITE_ZEROES,
} from '../helpers/nbd-rig.js';
import fc from '../helpers/random-sequences.js';

const PUNCH = 3;
const ZERO_RANGE = 16;

interface Running {
  kind: 'read' | 'write' | 'zero' | 'flush';
  offset: number;
  length: number;
  byte: number;
}

/** Random requests, crashes and losses; what was acknowledged is there, whatever happens. */
function runHistory(seed: number): void {
  const dice = new Dice(seed);
  const structured = dice.chance(70);
  const agreed: Agreed = {
    ...AGREED,
    structured,
    extended: structured && dice.chance(40),
    tellsHoles: structured,
    maximumPayload: dice.chance(60) ? 4096 : 32 << 20,
    flags: dice.chance(20) ? FUA | WRITE_ZEROES : AGREED.flags,
  };
  const rig = new Rig(dice, agreed, 1 + dice.below(4));
  const model = new Uint8Array(SIZE);
  // After a write that failed.
  const unknown = new Uint8Array(SIZE);
  const running = new Map<number, Running>();
  let failing = false;
  const settle = (): void => {
    for (const [request, result] of rig.results) {
      const { kind, offset, length, byte } = running.get(request)!;
      running.delete(request);
      const end = offset + length;
      const isChange = kind === 'write' || kind === 'zero';
      if (result < 0) {
        if (result !== -EIO || !failing) throw new Error(`${kind} ended with ${result}`);
        if (isChange) unknown.fill(1, offset, end);
      } else if (isChange) {
        model.fill(kind === 'zero' ? 0 : byte, offset, end);
        unknown.fill(0, offset, end);
      } else if (kind === 'read') {
        if (result !== length) throw new Error(`read ${result} of ${length}`);
        for (let i = 0; i < length; i++) {
          const got = bytes[request * SLOT + i];
          if (unknown[offset + i] === 0 && got !== model[offset + i]) {
            throw new Error(`byte ${offset + i} is ${got}, not ${model[offset + i]}`);
          }
        }
      }
    }
    rig.results.clear();
  };
  const begin = (): void => {
    const request = dice.below(REQUESTS);
    if (running.has(request)) return;
    const length = dice.chance(20) ? 1 + dice.below(SLOT) : 1 + dice.below(2000);
    const offset = dice.below(SIZE - length + 1);
    const kind = (['read', 'write', 'write', 'zero', 'flush'] as const)[dice.below(5)]!;
    const isFlush = kind === 'flush';
    const overlaps = (one: Running): boolean =>
      one.kind !== 'flush' && one.offset < offset + length && offset < one.offset + one.length;
    if (!isFlush && [...running.values()].some(overlaps)) return;
    const byte = 1 + dice.below(255);
    const address = memory.address + request * SLOT;
    running.set(request, { kind, offset, length, byte });
    const { engine } = rig;
    let result = 0;
    if (kind === 'read') result = engine.read(request, 0, address, length, offset, false);
    else if (kind === 'write') {
      bytes.fill(byte, request * SLOT, request * SLOT + length);
      result = engine.write(request, 0, address, length, offset, false);
    } else if (kind === 'zero') {
      const mode = dice.chance(50) ? PUNCH : ZERO_RANGE;
      result = engine.allocate(request, 0, mode, offset, length);
    } else result = engine.flush(request, 0);
    if (result !== PENDING) rig.results.set(request, result);
  };
  /** With nothing under way and all flushed, the server has it all. */
  const audit = (): void => {
    for (let steps = 0; running.size > 0; steps++) {
      if (steps > 100_000) throw new Error(`${running.size} requests do not end`);
      rig.step();
      if (rig.wanted) rig.connect();
      settle();
    }
    if (rig.wanted) rig.connect();
    failing = false;
    if (rig.flush() < 0) rig.flush();
    if (rig.engine.underWay !== 0) throw new Error(`${rig.engine.underWay} are still under way`);
    rig.server.crash();
    for (let at = 0; at < SIZE; at++) {
      if (unknown[at] === 0 && rig.server.now[at] !== model[at]) {
        throw new Error(`byte ${at} is ${rig.server.now[at]} on the disk, not ${model[at]}`);
      }
    }
  };
  for (let i = 0; i < 1500; i++) {
    if (dice.chance(30)) begin();
    else if (dice.chance(2)) rig.server.crash();
    else if (dice.chance(1)) audit();
    else if (rig.wanted && dice.chance(20)) {
      if (!failing && dice.chance(20)) {
        failing = true;
        rig.engine.told({ kind: 'nbd-failed', id: 1 });
      } else rig.connect();
    } else rig.step();
    settle();
    if (failing && !rig.wanted) failing = running.size > 0;
  }
  audit();
}

test('what was acknowledged survives lost connections and crashes of the server', (t) => {
  fc.assert(
    fc.property(fc.nat(), (seed) => runHistory(seed)),
    { numRuns: 60 },
  );
  t.pass();
});

test('a server that breaks the protocol gets its requests answered with EIO, and a new connection', (t) => {
  const rig = new Rig(new Dice(1), AGREED);
  t.is(rig.write(0, 100, 7), 100);
  rig.server.garbage = new Uint8Array(64).fill(0xaa);
  t.deepEqual(rig.read(0, 1), [-EIO]);
  t.deepEqual(rig.why, [
    'the server breaks the protocol: a reply that begins with no magic number',
  ]);
  rig.server.garbage = null;
  t.deepEqual(rig.read(0, 2), [2, 7, 7]);
});

test('garbage in the place of repeated writes fails what waits, and does not go on for ever', (t) => {
  const rig = new Rig(new Dice(2), AGREED);
  t.is(rig.write(0, 100, 7), 100);
  rig.server.garbage = new Uint8Array(64);
  rig.server.crash();
  t.deepEqual(rig.read(0, 1), [-EIO]);
  rig.server.garbage = null;
  t.deepEqual(rig.read(0, 2), [2, 7, 7]);
});

test('a server without flush is asked to write through, and a flush is nothing then', (t) => {
  const rig = new Rig(new Dice(8), { ...AGREED, flags: FUA | WRITE_ZEROES });
  t.is(rig.write(0, 100, 7), 100);
  t.is(rig.engine.flush(0, 0), 0);
  rig.server.crash();
  t.deepEqual(rig.read(0, 1), [1, 7]);
  t.is(rig.server.writes, 1);
});

test('requests fail while there is no server, and go on when there is one again', (t) => {
  const rig = new Rig(new Dice(9), AGREED);
  t.is(rig.write(0, 100, 7), 100);
  rig.server.crash();
  while (!rig.wanted) rig.step();
  const { engine, results } = rig;
  t.is(engine.read(3, 0, memory.address, 10, 0, false), PENDING);
  engine.told({ kind: 'nbd-failed', id: 1 });
  t.is(results.get(3), -EIO);
  results.clear();
  t.is(engine.read(3, 0, memory.address, 10, 0, false), -EIO);
  t.is(engine.flush(3, 0), -EIO);
  rig.connect();
  t.deepEqual(rig.read(0, 1), [1, 7]);
});

test('leaving a server is no loss', (t) => {
  const rig = new Rig(new Dice(10), AGREED, 3);
  t.is(rig.write(0, 100, 7), 100);
  rig.engine.removeAll();
  for (let i = 0; i < 100; i++) rig.step();
  t.deepEqual(rig.why, []);
});
