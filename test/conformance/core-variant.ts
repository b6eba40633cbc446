import type { ExecutionContext } from 'ava';
import * as abi from '../../src/fuse/abi.js';
import { ERRNO } from '../../src/util/errno.js';
import { TMPFS } from '../helpers/temp.js';
import { ENGINES, type EngineName } from './core-engines.js';
import { CorePlane, type Reply } from './core-plane.js';
import { exceptionsOf, type FormatName } from './exceptions.js';
import { ImageFile } from './image-file.js';
import type { RequestWriter } from './request-writer.js';
import type { Subject, Variant } from './subject.js';

/** The longest transfer of one request. */
const LONGEST = 1 << 20;
const SEEK_OUT_BYTES = 8;

/** The data plane over an engine, without root and /dev/fuse. */
export function coreVariant(engine: EngineName, format: FormatName, direct: boolean): Variant {
  return {
    ...exceptionsOf(null, format),
    title: `dispatch core, ${engine}, ${format}, ${direct ? 'direct' : 'no direct'}`,
    async serve(t, setups, use) {
      const base = ENGINES[engine].inMemory ? TMPFS : undefined;
      const { growable = false, readOnly = false } = setups[0]!;
      const images = await Promise.all(setups.map((one) => ImageFile.make(t, format, one, base)));
      const names = setups.map(({ name }, index) => name ?? `image${index}`);
      const plane = await CorePlane.make(t, engine, {
        paths: [...images.map(({ path }, index) => `${names[index]}=${path}`), '/nowhere'],
        group: setups.flatMap(({ group = [] }) => group),
        assign: setups.flatMap(({ assign = [] }) => assign),
        ...{ growable, 'read-only': readOnly, direct },
      });
      const subjects = images.map((image, index) => new CoreSubject(image, plane, names[index]!));
      await keepAlive(t, () => use(subjects));
    },
  };
}

/** Keeps the process alive, because threads that wait for work do not. */
export async function keepAlive(t: ExecutionContext, use: () => Promise<void>): Promise<void> {
  const timer = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(timer));
  await use();
}

class CoreSubject implements Subject {
  readonly image: ImageFile;
  readonly #plane: CorePlane;
  readonly #node: number;

  constructor(image: ImageFile, plane: CorePlane, name: string) {
    this.image = image;
    this.#plane = plane;
    this.#node = plane.find(`${name}.raw`)!.id;
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

  async readControl(path: string): Promise<string> {
    const { id } = this.#plane.find(`.groups/${path}`)!;
    const opened = await this.#plane.ask(abi.OPEN, id, abi.OPEN_IN_BYTES);
    const handle = Number(opened.payload.readBigUInt64LE(abi.OPEN_OUT_FH));
    const { payload } = await this.#plane.ask(abi.READ, id, abi.IO_IN_BYTES, (writer) => {
      writer.long(abi.IO_IN_FH, handle);
      writer.word(abi.IO_IN_SIZE, 4096);
    });
    return payload.toString();
  }

  async writeControl(path: string, text: string): Promise<number> {
    const { id } = this.#plane.find(`.groups/${path}`)!;
    const data = Buffer.from(text);
    const { error, payload } = await this.#plane.ask(abi.WRITE, id, abi.IO_IN_BYTES, (writer) => {
      writer.word(abi.IO_IN_SIZE, data.length);
      writer.append(data);
    });
    return error < 0 ? error : payload.readUInt32LE(abi.WRITE_OUT_SIZE);
  }

  makeGroup(path: string): Promise<number> {
    return this.#directory(abi.MKDIR, path, abi.MKDIR_IN_BYTES);
  }

  removeGroup(path: string): Promise<number> {
    return this.#directory(abi.RMDIR, path, 0);
  }

  async #directory(opcode: number, path: string, bytes: number): Promise<number> {
    const whole = `.groups/${path}`;
    const slash = whole.lastIndexOf('/');
    // Like the kernel: an existing name is not made again.
    if (opcode === abi.MKDIR && this.#plane.find(whole) !== undefined) return -ERRNO.EEXIST;
    const parent = this.#plane.find(whole.slice(0, slash))!;
    const reply = await this.#plane.ask(opcode, parent.id, bytes, (writer) => {
      writer.append(Buffer.from(`${whole.slice(slash + 1)}\0`));
    });
    return reply.error;
  }

  #transfer(opcode: number, offset: number, length: number, data?: Buffer): Promise<Reply> {
    return this.#ask(opcode, abi.IO_IN_BYTES, (writer) => {
      writer.long(abi.IO_IN_OFFSET, offset);
      writer.word(abi.IO_IN_SIZE, length);
      if (data !== undefined) writer.append(data);
    });
  }

  #ask(opcode: number, bytes: number, fill?: (writer: RequestWriter) => void): Promise<Reply> {
    return this.#plane.ask(opcode, this.#node, bytes, fill);
  }
}
