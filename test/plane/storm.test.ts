import test from 'ava';
import fc from '../helpers/random-sequences.js';
import { pattern } from '../helpers/temp.js';
import { allocateBody, Bench, DISK, FALLOCATE, FSYNC, LSEEK, seekBody } from './bench.js';
import type { Mode, Op } from './fake-host.js';

const EINTR = 4;
const EIO = 5;
const ENOSPC = 28;
const DISK_BYTES = 192 << 10;
const STEPS = 3000;

/** A linear congruential generator modulo 2^32: the same choices in every run. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** A whole number from 0, below `limit`. */
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 4294967296) * limit);
  }
}

interface Plan {
  seed: number;
  mode: Mode;
  alignment: number;
  depth: number;
  /** Percentage of transfers that fail, and also of those that are short. */
  faults: number;
}

interface Sent {
  id: number;
  disk: number;
  kind: 'read' | 'write' | 'other';
  offset: number;
  payload: Uint8Array;
  /** For a read: the certain bytes at the time when it was sent, see Storm.certain. */
  certain: Uint8Array;
}

/**
 * Random requests to two disks, the first one throttled, with completions in random order, errors,
 * short transfers and interrupts. Each byte is written at most once, so it has its old or its new value,
 * and it is certain which one while no write to it is in progress.
 */
class Storm {
  readonly bench: Bench;
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #before: Uint8Array[];
  readonly #after: Uint8Array[];
  /** 0: old value; 1: being written, or its write failed; 2: written. */
  readonly certain: Uint8Array[];
  /** Ranges that remain to be written, by disk. */
  readonly #ranges: { offset: number; length: number }[][];
  #open: Sent[] = [];
  answered = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
    this.#before = [1, 2].map((seed) => new Uint8Array(pattern(DISK_BYTES, seed)));
    this.#after = [3, 4].map((seed) => new Uint8Array(pattern(DISK_BYTES, seed)));
    this.certain = [new Uint8Array(DISK_BYTES), new Uint8Array(DISK_BYTES)];
    this.#ranges = [this.#split(), this.#split()];
    const { mode, alignment, depth } = plan;
    this.bench = new Bench({
      contents: this.#before.map((one) => one.slice()),
      mode,
      alignment,
      depth,
    });
    const { throttle, nowNs, disks, host } = this.bench;
    const slow = throttle.createGroup('slow');
    throttle.setLimits(slow, { iops: 20_000, wbps: 20 << 20 }, nowNs);
    throttle.moveMember(disks[0]!.member, slow, nowNs);
    host.fault = (op) => this.#fault(op);
  }

  run(): void {
    for (let i = 0; i < STEPS; i++) {
      this.#step();
      this.#collect();
    }
    this.bench.plane.releaseWaiting();
    this.bench.turn();
    this.bench.run();
    this.#collect();
    if (this.#open.length > 0) throw new Error(`${this.#open.length} are not answered`);
    this.bench.assertIdle();
    if (this.bench.plane.receivable !== 31) throw new Error('receive slots are missing');
    this.bench.host.fault = () => null;
    for (const disk of [0, 1])
      this.#check(disk, 0, this.bench.host.files[disk]!.content, this.certain[disk]!);
  }

  #step(): void {
    const { bench } = this;
    const random = this.#random;
    const { pending } = bench.host;
    const choice = random.below(100);
    if (choice < 45 && bench.plane.receivable > 1) this.#send();
    else if (choice < 92 && pending.length > 0) bench.stepAt(random.below(pending.length));
    else if (choice < 96) bench.turn(bench.nowNs + random.below(2_000_000));
    else if (this.#open.length > 0 && bench.plane.receivable > 1) {
      bench.interrupt(this.#open[random.below(this.#open.length)]!.id);
    }
  }

  #send(): void {
    const random = this.#random;
    const disk = random.below(2);
    const kind = random.below(20);
    if (kind < 9) this.#sendWrite(disk);
    else if (kind < 18) this.#sendRead(disk);
    else this.#sendOther(disk);
  }

  #sendWrite(disk: number): void {
    const range = this.#ranges[disk]!.pop();
    if (range === undefined) {
      this.#sendRead(disk);
      return;
    }
    const { offset, length } = range;
    const payload = this.#after[disk]!.slice(offset, offset + length);
    this.certain[disk]!.fill(1, offset, offset + length);
    this.#sent(
      { disk, kind: 'write', offset, payload },
      this.bench.write(offset, payload, DISK + disk),
    );
  }

  #sendRead(disk: number): void {
    const offset = this.#random.below(DISK_BYTES);
    const length = 1 + this.#random.below(Math.min(9000, DISK_BYTES - offset));
    const certain = this.certain[disk]!.slice(offset, offset + length);
    const sent = { disk, kind: 'read', offset, payload: new Uint8Array(length), certain } as const;
    this.#sent(sent, this.bench.read(offset, length, DISK + disk));
  }

  /** Sends a request that changes no byte: a flush, an lseek, an allocation of existing data. */
  #sendOther(disk: number): void {
    const node = DISK + disk;
    const kind = this.#random.below(3);
    const id =
      kind === 0
        ? this.bench.send(FSYNC, node, new Uint8Array(16))
        : kind === 1
          ? this.bench.send(LSEEK, node, seekBody(0, 4))
          : this.bench.send(FALLOCATE, node, allocateBody(1, 0, 4096));
    this.#sent({ disk, kind: 'other', offset: 0, payload: new Uint8Array() }, id);
  }

  #sent(what: Omit<Sent, 'id' | 'certain'> & { certain?: Uint8Array }, id: number): void {
    this.#open.push({ certain: new Uint8Array(), ...what, id });
  }

  /** Checks the answers that have arrived. */
  #collect(): void {
    const { replies } = this.bench.host;
    this.#open = this.#open.filter((sent) => {
      const reply = replies.get(sent.id);
      if (reply === undefined) return true;
      this.answered++;
      if (![0, -EIO, -ENOSPC, -EINTR].includes(reply.error))
        throw new Error(`error ${reply.error}`);
      const { disk, offset } = sent;
      if (sent.kind === 'write') {
        const written =
          reply.error === 0 ? new DataView(reply.payload.buffer).getUint32(0, true) : 0;
        this.certain[disk]!.fill(2, offset, offset + written);
        // Interrupted while it waited: it has no effect.
        if (reply.error === -EINTR)
          this.certain[disk]!.fill(0, offset, offset + sent.payload.length);
      } else if (sent.kind === 'read' && reply.error === 0) {
        if (reply.payload.length !== sent.payload.length) throw new Error('a short read');
        this.#check(disk, offset, reply.payload, sent.certain);
      }
      return false;
    });
  }

  #check(disk: number, offset: number, bytes: Uint8Array, certain: Uint8Array): void {
    const before = this.#before[disk]!;
    const after = this.#after[disk]!;
    for (let i = 0; i < bytes.length; i++) {
      const [old, fresh, byte] = [before[offset + i], after[offset + i], bytes[i]];
      if (certain === this.certain[disk] && certain[i] === 0 && byte !== old) {
        throw new Error(`disk ${disk}, byte ${i} changed, and nobody wrote to it`);
      }
      const wrong = certain[i] === 2 ? byte !== fresh : byte !== old && byte !== fresh;
      if (wrong)
        throw new Error(`disk ${disk}, byte ${offset + i}: ${byte}, was ${old}, is ${fresh}`);
    }
  }

  #fault(op: Op): number | null {
    const random = this.#random;
    if (op.kind === 'seek' || op.kind === 'flush' || random.below(100) >= 2 * this.#plan.faults)
      return null;
    if (random.below(2) === 0)
      return op.kind === 'read' ? -EIO : random.below(2) === 0 ? -EIO : -ENOSPC;
    if (op.kind !== 'read' && op.kind !== 'write') return null;
    const blocks = op.length / this.#plan.alignment;
    // The edge of an unaligned write is a single block, so its read cannot be short.
    return blocks < 2 ? null : (1 + random.below(blocks - 1)) * this.#plan.alignment;
  }

  /** Splits the disk into ranges of 1 to 6000 bytes, most not aligned, in random order. */
  #split(): { offset: number; length: number }[] {
    const random = this.#random;
    const ranges: { offset: number; length: number }[] = [];
    for (let offset = 0; offset < DISK_BYTES; ) {
      const aligned = random.below(3) === 0;
      const length = aligned
        ? 4096 - (offset % 4096)
        : 1 + random.below([20, 700, 6000][random.below(3)]!);
      ranges.push({ offset, length: Math.min(length, DISK_BYTES - offset) });
      offset += length;
    }
    for (let i = ranges.length - 1; i > 0; i--) {
      const other = random.below(i + 1);
      [ranges[i], ranges[other]] = [ranges[other]!, ranges[i]!];
    }
    return ranges;
  }
}

for (const mode of ['linked', 'plain', 'inline', 'mixed'] as const) {
  test(`${mode}: random requests by the thousand leak nothing and mix up no byte`, (t) => {
    const plans = fc.record({
      seed: fc.nat(),
      mode: fc.constant<Mode>(mode),
      alignment: fc.constantFrom(1, 512, 4096),
      depth: fc.constantFrom(1, 3, 32, 256),
      faults: fc.constantFrom(0, 5, 20),
    });
    let answered = 0;
    const property = fc.property(plans, (plan) => {
      const storm = new Storm(plan);
      storm.run();
      answered += storm.answered;
    });
    fc.assert(property, { seed: 20251120, numRuns: 12, endOnFailure: true });
    t.true(answered > 10_000, `${answered} answered`);
  });
}
