import { PENDING } from '../../src/host/engine.js';
import { NbdEngine } from '../../src/host/nbd-engine.js';
import type { NbdExport } from '../../src/host/nbd-export.js';
import type { Agreed } from '../../src/nbd/handshake.js';
import { parseNbdUri } from '../../src/nbd/uri.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { type Dice, ModelServer, type ModelWire } from './nbd-model.js';

export const SIZE = 256 << 10;
export const REQUESTS = 40;
/** Bytes for each request. */
export const SLOT = 64 << 10;
// Flags of an export, as the protocol has them.
const READ_ONLY = 2;
export const FLUSH = 4;
export const FUA = 8;
export const WRITE_ZEROES = 64;

export const AGREED: Agreed = {
  size: SIZE,
  flags: FLUSH | WRITE_ZEROES,
  structured: true,
  extended: false,
  tellsHoles: true,
  minimumBlock: 1,
  maximumPayload: 32 << 20,
};
export const memory = mapAnonymous(REQUESTS * SLOT);
export const bytes = new Uint8Array(memory.buffer);

/** An engine with one export of a model server, whose connections are made again after a while. */
export class Rig {
  readonly dice: Dice;
  readonly server: ModelServer;
  readonly engine: NbdEngine;
  /** Its export, which may be added again. */
  readonly nbd: NbdExport;
  readonly results = new Map<number, number>();
  readonly why: string[] = [];
  wires: ModelWire[] = [];
  wanted = false;
  /** Connections that were wanted and are so no more. */
  leaves = 0;
  readonly #agreed: Agreed;
  readonly #connections: number;

  constructor(dice: Dice, agreed: Agreed, connections = 1, server = new ModelServer(agreed, dice)) {
    this.dice = dice;
    this.#agreed = agreed;
    this.#connections = connections;
    this.server = server;
    this.engine = new NbdEngine({
      requests: REQUESTS,
      open: (_descriptor, _buffer, events) => {
        const wire = this.server.open(events);
        this.wires.push(wire);
        return wire;
      },
      completed: (request, result) => {
        if (this.results.has(request)) throw new Error(`request ${request} has ended twice`);
        this.results.set(request, result);
      },
      lost: (_one, why) => {
        this.why.push(why);
        this.wanted = true;
      },
      left: () => {
        this.leaves++;
      },
    });
    const target = parseNbdUri('nbd://model/');
    const readOnly = (agreed.flags & READ_ONLY) !== 0;
    this.nbd = {
      ...{ id: 1, target, agreed, readOnly, timeoutMs: 1, connections },
      descriptors: Array(connections).fill(-1),
    };
    this.engine.add({ descriptor: -1, inMemory: false, nbd: this.nbd });
  }

  step(): void {
    this.engine.unplug();
    if (this.wires.length > 0) this.wires[this.dice.below(this.wires.length)]!.step();
  }

  connect(): void {
    this.wanted = false;
    this.wires = [];
    const descriptors = Array(this.#connections).fill(-1);
    this.engine.told({ kind: 'nbd-connected', id: 1, descriptors, agreed: this.#agreed });
  }

  /** The result of a request that was begun. */
  wait(request: number, begun: number): number {
    if (begun !== PENDING) return begun;
    for (let steps = 0; !this.results.has(request); steps++) {
      if (steps > 100_000) throw new Error('it does not end');
      this.step();
      if (this.wanted) this.connect();
    }
    const result = this.results.get(request)!;
    this.results.delete(request);
    return result;
  }

  write(offset: number, length: number, byte: number): number {
    bytes.fill(byte, 0, length);
    return this.wait(0, this.engine.write(0, 0, memory.address, length, offset, false));
  }

  read(offset: number, length: number): number[] {
    const result = this.wait(0, this.engine.read(0, 0, memory.address, length, offset, false));
    return [result, ...bytes.subarray(0, Math.max(0, result))];
  }

  flush(): number {
    return this.wait(0, this.engine.flush(0, 0));
  }
}
