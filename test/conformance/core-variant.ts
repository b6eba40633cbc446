import { closeSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Memory } from '../../src/buffers/memory.js';
import { openHostFile } from '../../src/daemon/host-file.js';
import { ThreadPoolEngine } from '../../src/engine/thread-pool.js';
import * as abi from '../../src/fuse/abi.js';
import { RequestWriter } from '../../src/fuse/native-requests.js';
import type { Transport } from '../../src/fuse/transport.js';
import { assemble } from '../../src/plane/assemble.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import { Plane } from '../../src/plane/plane.js';
import { makeImage, type Setup, type Subject, type Variant } from './subject.js';

/** The longest transfer of one request. */
const LONGEST = 1 << 20;
const SEEK_OUT_BYTES = 8;

/** The data plane over the thread pool without any mount: requests and replies are bytes. */
export function coreVariant(direct: boolean): Variant {
  return {
    title: `dispatch core, thread pool, ${direct ? 'direct' : 'no direct'}`,
    noSeek: false,
    noAllocate: false,
    async serve(t, setup, use) {
      await use(await CoreSubject.make(t, setup, direct));
    },
  };
}

interface Reply {
  error: number;
  payload: Buffer;
}

class CoreSubject implements Subject, Transport {
  readonly image: string;
  readonly #memory = new Memory();
  readonly #writer = new RequestWriter(this.#memory);
  readonly #answers = new Map<number, (reply: Reply) => void>();
  readonly #plane: Plane;
  readonly #engine: ThreadPoolEngine;
  readonly #node: number;
  #unique = 2;

  static async make(t: ExecutionContext, setup: Setup, direct: boolean): Promise<CoreSubject> {
    const image = makeImage(t, setup);
    const { readOnly = false, growable = false } = setup;
    const { size, ...file } = await openHostFile(image, readOnly, direct);
    t.teardown(() => closeSync(file.descriptor));
    const fixed = { name: 'disk', hostSize: size, readOnly, growable, chain: null };
    return new CoreSubject(image, { ...file, ...fixed });
  }

  constructor(image: string, disk: DiskConfig) {
    this.image = image;
    const about = '';
    const config = { disks: [disk], groups: [], assignments: [], depth: 64, about };
    const assembly = assemble(config, [null], () => {});
    this.#node = assembly.tree.root.children.get('disk.raw')!.id;
    this.#engine = new ThreadPoolEngine([disk], null, (request, result) => {
      this.#plane.completed(request, result);
      this.#turn();
    });
    this.#plane = new Plane({
      ...assembly,
      memory: this.#memory,
      engine: this.#engine,
      transport: this,
      owner: { uid: 0, gid: 0 },
      pageCache: false,
      initialised: () => {},
      warn: () => {},
      trace: null,
    });
  }

  reply(request: number, offset: number, length: number): void {
    const { view, bytes } = this.#memory;
    const unique = view.getUint32(offset + abi.OUT_UNIQUE, true);
    const error = view.getInt32(offset + abi.OUT_ERROR, true);
    const payload = Buffer.from(bytes.slice(offset + abi.OUT_HEADER_BYTES, offset + length));
    this.#answers.get(unique)!({ error, payload });
    this.#answers.delete(unique);
    setImmediate(() => this.#plane.replied(request));
  }

  async read(offset: number, length: number): Promise<{ result: number; bytes: Buffer }> {
    const parts: Buffer[] = [];
    for (let done = 0; done < length; ) {
      const size = Math.min(LONGEST, length - done);
      const { error, payload } = await this.#transfer(abi.READ, offset + done, size);
      if (error < 0) return { result: error, bytes: Buffer.alloc(0) };
      parts.push(payload);
      done += payload.length;
      if (payload.length < size) break;
    }
    const bytes = Buffer.concat(parts);
    return { result: bytes.length, bytes };
  }

  async write(offset: number, data: Buffer): Promise<number> {
    const { error, payload } = await this.#transfer(abi.WRITE, offset, data.length, data);
    return error < 0 ? error : payload.readUInt32LE(abi.WRITE_OUT_SIZE);
  }

  async fsync(): Promise<number> {
    return (await this.#ask(abi.FSYNC, abi.FSYNC_IN_BYTES)).error;
  }

  async size(): Promise<number> {
    const { payload } = await this.#ask(abi.GETATTR, abi.GETATTR_IN_BYTES);
    return Number(payload.readBigUInt64LE(abi.ATTR_OUT_ATTR + abi.ATTR_SIZE));
  }

  async truncate(size: number): Promise<number> {
    const reply = await this.#ask(abi.SETATTR, abi.SETATTR_IN_BYTES, (writer) => {
      writer.word(abi.SETATTR_IN_VALID, abi.FATTR_SIZE);
      writer.long(abi.SETATTR_IN_SIZE, size);
    });
    return reply.error;
  }

  async allocate(mode: number, offset: number, length: number): Promise<number> {
    const reply = await this.#ask(abi.FALLOCATE, abi.FALLOCATE_IN_BYTES, (writer) => {
      writer.long(abi.FALLOCATE_IN_OFFSET, offset);
      writer.long(abi.FALLOCATE_IN_LENGTH, length);
      writer.word(abi.FALLOCATE_IN_MODE, mode);
    });
    return reply.error;
  }

  async seek(offset: number, whence: number): Promise<number> {
    const { error, payload } = await this.#ask(abi.LSEEK, abi.LSEEK_IN_BYTES, (writer) => {
      writer.long(abi.LSEEK_IN_OFFSET, offset);
      writer.word(abi.LSEEK_IN_WHENCE, whence);
    });
    return payload.length === SEEK_OUT_BYTES ? Number(payload.readBigUInt64LE()) : error;
  }

  #transfer(opcode: number, offset: number, length: number, data?: Buffer): Promise<Reply> {
    return this.#ask(opcode, abi.IO_IN_BYTES, (writer) => {
      writer.long(abi.IO_IN_OFFSET, offset);
      writer.word(abi.IO_IN_SIZE, length);
      if (data !== undefined) writer.append(data);
    });
  }

  #ask(opcode: number, bytes: number, fill?: (writer: RequestWriter) => void): Promise<Reply> {
    return new Promise((resolve) => {
      const unique = this.#unique;
      this.#unique += 2;
      this.#answers.set(unique, resolve);
      const slot = this.#memory.takeSlot();
      this.#writer.begin(slot, opcode, unique, this.#node, bytes);
      fill?.(this.#writer);
      this.#plane.beginTurn(performance.now() * 1e6);
      this.#plane.received(slot, this.#writer.length);
      this.#turn();
    });
  }

  #turn(): void {
    this.#plane.endTurn();
    this.#engine.unplug();
  }
}
