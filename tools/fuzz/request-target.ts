import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Memory, RECEIVE_BYTES, SLOT_REQUEST, slotOffset } from '../../src/buffers/memory.js';
import * as abi from '../../src/fuse/abi.js';
import { Dispatcher, type Wire } from '../../src/fuse/dispatch.js';
import { OPCODES } from '../../src/fuse/opcodes.js';
import { setU64 } from '../../src/fuse/wire.js';
import { inflate } from '../../src/image/inflate.js';
import { type InflateCall, InflateCalls } from '../../src/image/inflate-calls.js';
import { assemble } from '../../src/plane/assemble.js';
import type { Plane } from '../../src/plane/plane.js';
import { openDisks } from '../../src/server/open-disks.js';
import type { Random } from '../exerciser/random.js';
import { CALLERS } from './callers.js';
import { FileEngine } from './file-engine.js';
import { type Target, Violation } from './target.js';

/** Before each request in an input: opcode, node, caller and pause in ms, 8 bits each; length, 16 bits. */
const HEAD_BYTES = 6;
/** Most requests of an input. */
const REQUESTS_MAX = 64;
/** Opcodes and nodes from here on stand for powers of two. */
const LARGE = 224;
/** Requests that get no reply. */
const SILENT: ReadonlySet<number> = new Set([abi.FORGET, abi.BATCH_FORGET, abi.INTERRUPT]);

const QUIET = { info() {}, warn() {}, error() {} };
const GROUPS = { depth: 'auto' as const, groups: [{ path: 'a', changes: {} }], assignments: [] };

/** The number that 8 bits of an input stand for. */
function widened(value: number): number {
  return value < LARGE ? value : 2 ** (2 * (value - LARGE));
}

/** What is between FUSE and the host files, and the kernel's account of it. */
class Session implements Wire {
  readonly #memory: Memory;
  readonly #plane: Plane;
  readonly #dispatcher: Dispatcher;
  readonly #inflations: InflateCall[] = [];
  readonly #inflateCalls = new InflateCalls((call) => this.#inflations.push(call));
  /** Opcodes of the requests without a reply, by id. */
  readonly #asked = new Map<number, number>();
  /** Requests whose reply has left. */
  readonly #sent: number[] = [];
  #nowNs = 1e9;
  #unique = 0;

  constructor(memory: Memory, { disks }: Awaited<ReturnType<typeof openDisks>>) {
    this.#memory = memory;
    const engine = new FileEngine();
    for (const disk of disks) {
      for (const _ of disk.image.files) engine.limits.set(engine.limits.size, Infinity);
    }
    const io = { engine, memory, inflateCalls: this.#inflateCalls, callers: CALLERS };
    const config = { disks, about: 'pid=1\n', ...GROUPS };
    const { plane, tree } = assemble(config, io, { info: () => {}, warn: () => {} });
    this.#plane = plane;
    this.#dispatcher = new Dispatcher({
      memory,
      disks: this.#plane,
      tree,
      wire: this,
      owner: { uid: 0, gid: 0 },
      pageCache: true,
      initialised: () => {},
      trace: () => {},
    });
    this.#plane.connect(this.#dispatcher);
  }

  /** Takes a reply, as the kernel checks it. */
  send(request: number, offset: number, length: number): void {
    const { view } = this.#memory;
    const unique = view.getUint32(offset + abi.OUT_UNIQUE, true);
    const error = view.getInt32(offset + abi.OUT_ERROR, true);
    if (view.getUint32(offset + abi.OUT_LEN, true) !== length) {
      throw new Violation('a reply whose length is not the one in its header');
    }
    if (!this.#asked.delete(unique)) throw new Violation(`a second reply to request ${unique}`);
    if (error > 0 || error < -511) throw new Violation(`a reply with the error ${error}`);
    if (error < 0 && length > abi.OUT_HEADER_BYTES) throw new Violation('an error with a payload');
    this.#sent.push(request);
  }

  async ask(input: Buffer): Promise<void> {
    for (let at = 0, count = 0; at + HEAD_BYTES <= input.length && count < REQUESTS_MAX; count++) {
      const body = input.subarray(at + HEAD_BYTES, at + HEAD_BYTES + input.readUInt16LE(at + 4));
      this.#begin(widened(input[at]!), widened(input[at + 1]!), input[at + 2]!, body);
      await this.#turn(input[at + 3]! * 1e6);
      at += HEAD_BYTES + body.length;
    }
  }

  /** Lets every request end, then the session. */
  async end(): Promise<void> {
    this.#plane.releaseWaiting();
    await this.#turn(1e6);
    const open = [...this.#asked.values()].filter((opcode) => !SILENT.has(opcode));
    if (open.length > 0) throw new Violation(`no reply to requests with opcodes ${open}`);
    this.#plane.startLastFlush();
    await this.#turn(1e6);
    const { requests, inFlight, pooled } = this.#plane;
    const left = [requests.count, inFlight, pooled, this.#memory.slots - this.#memory.freeSlots];
    if (left.some((count) => count !== 0)) {
      throw new Violation(`requests, in flight, pooled and slots are left: ${left}`);
    }
  }

  #begin(opcode: number, node: number, caller: number, body: Buffer): void {
    const { view, bytes } = this.#memory;
    if (this.#plane.receivable === 0) return;
    const slot = this.#memory.takeSlot();
    const at = slotOffset(slot) + SLOT_REQUEST;
    const length = Math.min(abi.IN_HEADER_BYTES + body.length, RECEIVE_BYTES);
    this.#unique += 2;
    this.#asked.set(this.#unique, opcode);
    // What an earlier request has left there is nobody's.
    bytes.fill(0xa5, at, at + 4096);
    view.setUint32(at + abi.IN_LEN, length, true);
    view.setUint32(at + abi.IN_OPCODE, opcode, true);
    setU64(view, at + abi.IN_UNIQUE, this.#unique);
    setU64(view, at + abi.IN_NODEID, node);
    for (const field of [abi.IN_UID, abi.IN_GID, abi.IN_PID]) {
      view.setUint32(at + field, caller, true);
    }
    bytes.set(body.subarray(0, length - abi.IN_HEADER_BYTES), at + abi.IN_HEADER_BYTES);
    this.#plane.beginTurn(this.#nowNs);
    this.#dispatcher.received(slot, length);
  }

  /** Lets time pass, and does all that can be done without more of it. */
  async #turn(pauseNs: number): Promise<void> {
    this.#nowNs += pauseNs;
    for (;;) {
      this.#plane.beginTurn(this.#nowNs);
      this.#plane.endTurn();
      const request = this.#sent.shift();
      const call = this.#inflations.shift();
      if (request !== undefined) this.#dispatcher.replied(request);
      if (call !== undefined) {
        const cluster = await inflate(call.method, call.bytes, call.clusterBytes);
        this.#inflateCalls.ended(call.request, cluster);
        this.#plane.completed(call.request, 0);
      }
      if (request === undefined && call === undefined) return;
    }
  }
}

/** A request of an input. */
function request(opcode: number, node: number, body: Uint8Array): Buffer {
  const head = Buffer.of(opcode, node, 7, 1, 0, 0);
  head.writeUInt16LE(body.length, 4);
  return Buffer.concat([head, body]);
}

/** A body of fields, each with its offset, size in bytes and value, and what comes behind it. */
function body(
  bytes: number,
  fields: readonly [number, 4 | 8, number][],
  behind: string | Buffer = '',
): Buffer {
  const made = Buffer.alloc(bytes);
  for (const [at, size, value] of fields) {
    if (size === 4) made.writeUInt32LE(value, at);
    else made.writeBigUInt64LE(BigInt(value), at);
  }
  return Buffer.concat([made, typeof behind === 'string' ? Buffer.from(behind) : behind]);
}

const allocateBody = (offset: number, length: number, mode: number): Buffer =>
  body(32, [
    [8, 8, offset],
    [16, 8, length],
    [24, 4, mode],
  ]);

const io = (handle: number, offset: number, size: number, data: string | Buffer = ''): Buffer =>
  body(
    abi.IO_IN_BYTES,
    [
      [0, 8, handle],
      [8, 8, offset],
      [16, 4, size],
    ],
    data,
  );
const control = (node: number, text: string): Buffer[] => [
  request(abi.OPEN, node, body(8, [[0, 4, 1]])),
  request(abi.WRITE, node, io(1, 0, text.length, text)),
  request(abi.READ, node, io(1, 0, 4096)),
  request(abi.RELEASE, node, body(24, [[0, 8, 1]])),
];

/** Changes fields of some requests: a power of two, or one less. */
function mutateFields(input: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(input);
  const fields: number[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const end = Math.min(at + HEAD_BYTES + bytes.readUInt16LE(at + 4), bytes.length);
    for (at += HEAD_BYTES; at + 4 <= end; at += 4) fields.push(at);
    at = end;
  }
  for (let count = fields.length === 0 ? 0 : 1 + random.below(4); count > 0; count--) {
    const value = 2 ** random.below(33) - random.below(2);
    bytes.writeUInt32LE(value >>> 0, fields[random.below(fields.length)]!);
  }
  return bytes;
}

/** Nodes of the tree with two disks and the group `a`. */
const RAW = 2;
const QCOW2 = 3;
/** The partition of the raw one. */
const PARTITION = 4;
const GROUPS_NODE = 5;
const FIRST_FILE = 6;
const FILES = 14;

/** One request of each opcode, to one node. */
function everyOpcode(node: number): Buffer {
  const known = OPCODES.flatMap((row, opcode) => (row === undefined ? [] : [{ row, opcode }]));
  return Buffer.concat(
    known.map(({ row, opcode }) => request(opcode, node, body(row.minBytes, [], 'name\0'))),
  );
}

/** Requests on a disk that do something. */
function disk(node: number): Buffer {
  return Buffer.concat([
    request(
      abi.INIT,
      0,
      body(64, [
        [0, 4, 7],
        [4, 4, 41],
        [12, 4, 2 ** 32 - 1],
      ]),
    ),
    request(abi.OPEN, node, body(8, [[0, 4, 2]])),
    request(abi.WRITE, node, io(1, 4095, 6, 'sluice')),
    request(abi.READ, node, io(1, 0, 8192)),
    request(abi.FALLOCATE, node, allocateBody(512, 100_000, 3)),
    request(abi.FALLOCATE, node, allocateBody(0, 9000, 0x11)),
    request(
      abi.LSEEK,
      node,
      body(24, [
        [8, 8, 1],
        [16, 4, 4],
      ]),
    ),
    request(
      abi.SETATTR,
      node,
      body(88, [
        [0, 4, abi.FATTR_SIZE],
        [16, 8, 2 << 20],
      ]),
    ),
    request(abi.SETATTR, node, body(88, [[0, 4, 0x30]])),
    request(abi.FSYNC, node, body(16, [[0, 8, 1]])),
    request(abi.INTERRUPT, 0, body(8, [[0, 8, 8]])),
    request(abi.GETATTR, node, body(16, [])),
    request(abi.STATFS, 1, body(0, [])),
    request(abi.RELEASE, node, body(24, [[0, 8, 1]])),
  ]);
}

/** The first sector of a disk with partitions, by first sector and number of sectors. */
function table(...places: readonly (readonly [number, number])[]): Buffer {
  const sector = Buffer.alloc(512);
  for (const [index, [start, sectors]] of places.entries()) {
    const at = 446 + index * 16;
    sector.writeUInt8(0x83, at + 4);
    sector.writeUInt32LE(start, at + 8);
    sector.writeUInt32LE(sectors, at + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** Requests that change a partition table while a partition is in use. */
function repartition(): Buffer {
  const sync = request(abi.FSYNC, RAW, body(16, [[0, 8, 1]]));
  const write = (sector: Buffer) => [request(abi.WRITE, RAW, io(1, 0, 512, sector)), sync];
  return Buffer.concat([
    ...[RAW, PARTITION].map((node) => request(abi.OPEN, node, body(8, [[0, 4, 2]]))),
    ...write(table([16, 8], [40, 1000])),
    request(abi.WRITE, PARTITION, io(2, 100, 6, 'sluice')),
    ...write(table([8, 90])),
    ...write(table()),
    request(abi.RELEASE, PARTITION, body(24, [[0, 8, 2]])),
    ...write(table([4, 4], [4, 4], [4, 4], [4, 4])),
    request(abi.RELEASE, RAW, body(24, [[0, 8, 1]])),
    ...control(FIRST_FILE + 12, '\n'),
  ]);
}

/** Requests in the control tree. */
function groups(): Buffer {
  return Buffer.concat([
    request(abi.LOOKUP, 1, body(0, [], '.groups\0')),
    request(abi.READDIR, GROUPS_NODE, io(0, 0, 4096)),
    request(abi.MKDIR, GROUPS_NODE, body(8, [], 'new\0')),
    ...control(FIRST_FILE, 'iops=10 bps=4096\n'),
    ...control(FIRST_FILE + 7, 'uid:7\n'),
    ...control(FIRST_FILE + 7, 'r.p1\n'),
    request(abi.WRITE, RAW, io(0, 0, 9, 'some data')),
    request(abi.WRITE, QCOW2, io(0, 70_000, 9, 'some data')),
    request(abi.RMDIR, GROUPS_NODE, body(0, [], 'new\0')),
  ]);
}

/** Requests as they come from /dev/fuse, in any order and with any body. */
export const requests: Target = {
  name: 'requests',
  about: 'FUSE requests with any opcode, node and body, in sequences, on a raw image and a qcow2',
  batch: 2,
  each: 4000,
  short: 100,
  longest: 64 << 10,
  fixed: false,
  seeds: () => [
    ...[1, RAW, QCOW2, PARTITION, GROUPS_NODE, FIRST_FILE].map(everyOpcode),
    ...[RAW, QCOW2, PARTITION].map(disk),
    groups(),
    repartition(),
    ...Array.from({ length: FILES }, (_, file) =>
      Buffer.concat(control(FIRST_FILE + file, 'max\n')),
    ),
  ],
  words: async () => {
    const numbers = Object.values(abi).filter((value) => typeof value === 'number');
    const texts = [
      'rbps=1\n',
      'iops=1\n',
      'depth',
      'uid:7\n',
      'pid:7\n',
      'cgroup:/build\n',
      'raw',
      'r.p1\n',
    ];
    return [
      ...[...new Set(numbers)].map((value) => body(8, [[0, 8, value >>> 0]])),
      ...OPCODES.flatMap((row, opcode) =>
        row === undefined ? [] : [request(opcode, 2, body(row.minBytes, []))],
      ),
      ...texts.map((text) => Buffer.from(text)),
    ];
  },
  mutate: mutateFields,
  prepare: (folder) => {
    const memory = new Memory();
    const path = (name: string): string => join(folder, name);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path('new.qcow2'), '1M']);
    const empty = readFileSync(path('new.qcow2'));
    const raw = Buffer.concat([table([8, 64]), Buffer.alloc(65024, 5)]);
    const image = { backingFormats: [], snapshot: null };
    const open = {
      readOnly: false,
      growable: true,
      direct: false,
      passthrough: [],
      nbd: { timeoutMs: 0, connections: 1 },
    };
    const options = { ...open, owner: null, mode: null };
    return async (input) => {
      writeFileSync(path('r.img'), raw);
      writeFileSync(path('q.qcow2'), empty);
      const images = [
        { ...image, name: 'r', path: path('r.img'), format: 'raw' },
        { ...image, name: 'q', path: path('q.qcow2'), format: 'qcow2' },
      ];
      const opened = await openDisks(
        { ...options, metadataCache: 0, partitions: { sectorSize: null }, images },
        QUIET,
      );
      const slots = memory.freeSlots;
      const used = memory.slots - slots;
      if (used > 0) throw new Violation(`${used} slots are in use before the start`);
      try {
        const session = new Session(memory, opened);
        await session.ask(input);
        await session.end();
      } finally {
        opened.close();
      }
    };
  },
};
