import { Memory } from '../../src/buffers/memory.js';
import type { GroupConfig } from '../../src/control/set-up-groups.js';
import { Dispatcher } from '../../src/fuse/dispatch.js';
import { Mappings } from '../../src/image/mappings.js';
import { type Assembly, assemble } from '../../src/plane/assemble.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import type { Flushed } from '../../src/plane/last-flush.js';
import { OPEN } from './bench.js';
import { FakeFile, FakeHost, timesAt, writeRequest } from './fake-host.js';

export const SIZE = 64 << 10;

export const memory = new Memory();

class Host extends FakeHost {
  readonly removed: number[] = [];
  override remove(file?: number): void {
    this.removed.push(file!);
  }
}

/** A mount whose images come and go. The descriptor of an image is its host file. */
export class Mounted {
  readonly host = new Host(
    memory,
    [0, 1, 2].map((n) => new FakeFile(new Uint8Array(SIZE).fill(n), 1)),
    'plain',
  );
  readonly assembly: Assembly;
  readonly dispatcher: Dispatcher;
  readonly gone: number[] = [];
  readonly outcomes: Flushed[] = [];
  nowNs = 1e9;
  #unique = 0;

  constructor(
    disks: DiskConfig[] = [image('web', 0)],
    newMappings = () => new Mappings(),
    groups: GroupConfig[] = [],
  ) {
    const config = { disks, groups, assignments: [], about: '', depth: 256 };
    const io = { engine: this.host, memory, inflateCalls: null as never, newMappings };
    const gone = (disk: number): void => void this.gone.push(disk);
    this.assembly = assemble(config, io, { info: () => {}, warn: () => {}, gone });
    const { plane, tree } = this.assembly;
    this.dispatcher = new Dispatcher({
      ...{ memory, disks: plane, tree, wire: this.host, owner: { uid: 0, gid: 0 } },
      ...{ pageCache: false, initialised: () => {}, trace: null },
    });
    plane.connect(this.dispatcher);
  }

  turn(act: () => void = () => {}): void {
    const { plane } = this.assembly;
    plane.beginTurn(this.nowNs);
    act();
    plane.endTurn();
  }

  send(opcode: number, node: number, body: Uint8Array): number {
    this.#unique += 2;
    const slot = memory.takeSlot();
    const bytes = writeRequest(memory, slot, opcode, this.#unique, node, body);
    this.turn(() => this.dispatcher.received(slot, bytes));
    return this.#unique;
  }

  run(): void {
    while (this.host.pending.length > 0) {
      const done = this.host.perform(this.host.pending.shift()!);
      this.turn(() => {
        if (done.kind === 'replied') this.dispatcher.replied(done.request);
        else this.assembly.plane.completed(done.request, done.result);
      });
    }
  }

  errorOf(unique: number): number {
    this.run();
    return Math.abs(this.host.replies.get(unique)!.error);
  }

  ask(opcode: number, node: number, body: Uint8Array): number {
    return this.errorOf(this.send(opcode, node, body));
  }

  node(name: string): number {
    return this.assembly.tree.root.children.get(`${name}.raw`)?.id ?? 0;
  }

  open(name: string): number {
    const unique = this.send(OPEN, this.node(name), new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]));
    this.run();
    return new DataView(this.host.replies.get(unique)!.payload.buffer).getUint32(0, true);
  }

  detach(name: string, force = false): void {
    this.turn(() =>
      this.assembly.images.detach(name, force, (flushed) => this.outcomes.push(flushed)),
    );
  }

  attach(config: DiskConfig): void {
    this.turn(() => this.assembly.images.showPartitions(this.assembly.images.add(config)));
  }
}

export function image(name: string, descriptor: number, own: Partial<DiskConfig> = {}): DiskConfig {
  const times = timesAt(0);
  const layers = [{ format: 'raw', files: [0], hostSize: SIZE, metadata: null }];
  const files = [{ descriptor, inMemory: false }];
  const shape = {
    alignment: 1,
    blockDevice: false,
    growable: false,
    cacheBytes: 0,
    methods: [],
    writing: null,
  };
  return {
    ...{
      name,
      path: `/${name}.img`,
      format: 'raw',
      image: { files, layers, ...shape },
      device: descriptor,
    },
    ...{
      start: 0,
      length: null,
      readOnly: false,
      growable: false,
      mode: 0o600,
      allocated: 0,
      times,
    },
    ...own,
  };
}
