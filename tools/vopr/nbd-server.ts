import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import type { Agreed } from '../../src/nbd/handshake.js';
import * as nbd from '../../src/nbd/protocol.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { HostFiles } from './host-files.js';
import type { HostPlan } from './host-plan.js';
import { answer, dataReply, type NbdRequest, statusReply } from './nbd-replies.js';
import { NbdSocket } from './nbd-socket.js';
import { cutOff } from './power-cut.js';
import { takeForSession } from './spare-memory.js';
import type { World } from './world.js';

/** What goes wrong at a server. */
export interface ServerPlan {
  /** At one of this many requests the connections are lost; 0: never. */
  losses: number;
  /** One of this many losses takes what was not flushed along. */
  crashes: number;
  /** One of this many requests fails; 0: none. */
  faults: number;
}

/** The surroundings of a server. */
export interface ServerParts {
  readonly world: World;
  readonly random: Random;
  readonly files: HostFiles;
  readonly plan: ServerPlan;
  readonly host: HostPlan;
  /** The image, and its file. */
  readonly name: string;
  readonly descriptor: number;
  readonly agreed: Agreed;
  /** Requests of the data plane have numbers below this. */
  readonly requests: number;
  /** The server of the process before lacked writes: this one does not get them. */
  readonly lackedWrites: boolean;
  /** A request of the data plane gets an error of the server. */
  explain(request: number): void;
  note(what: string): void;
}

/** The number of the request in its cookie, of a request of the data plane. */
function numberOf(cookie: Uint8Array): number {
  return new DataView(cookie.buffer, cookie.byteOffset).getUint32(4);
}

interface Job extends NbdRequest {
  /** Of a write. */
  data: Buffer | null;
  /** Carries it out. */
  perform: () => void;
  /** It is never carried out. */
  drop: () => void;
}

/** A connection, as its server sees it. */
class Connection {
  readonly socket: NbdSocket;
  readonly jobs = new Set<Job>();
  isUp = true;
  #have: Buffer = Buffer.alloc(0);
  readonly #server: NbdServer;

  constructor(server: NbdServer, world: World, random: Random) {
    this.#server = server;
    this.socket = new NbdSocket(world, random, {
      arrived: (bytes) => this.#arrived(bytes),
      left: () => server.lost(this),
    });
  }

  #arrived(bytes: Uint8Array): void {
    this.#have = Buffer.concat([this.#have, bytes]);
    while (this.isUp) {
      const used = this.#server.take(this, this.#have);
      if (used === 0) return;
      this.#have = this.#have.subarray(used);
    }
  }
}

/** A server of one export, which is a file of the simulated host. It answers in any order, and may be lost. */
export class NbdServer {
  /** Its file lacks writes that were answered: it lost them, or older ones are being sent again over them. */
  #lacksWrites = false;
  readonly #parts: ServerParts;
  readonly #connections = new Set<Connection>();

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  /** Writes that were answered, and not flushed, may be lost. */
  get lacksWrites(): boolean {
    return this.#parts.lackedWrites || this.#lacksWrites;
  }

  get agreed(): Agreed {
    return this.#parts.agreed;
  }

  /** A new connection, behind the handshake. */
  accept(): NbdSocket {
    const { world, random } = this.#parts;
    const connection = new Connection(this, world, random);
    this.#connections.add(connection);
    return connection.socket;
  }

  /** Takes the next request. @returns The bytes that it has; 0: it has not come whole. */
  take(connection: Connection, bytes: Buffer): number {
    const { agreed, world } = this.#parts;
    const { extended } = agreed;
    const header = extended ? nbd.EXTENDED_REQUEST_BYTES : nbd.REQUEST_BYTES;
    if (bytes.length < header) return 0;
    const magic = extended ? nbd.EXTENDED_REQUEST_MAGIC : nbd.REQUEST_MAGIC;
    if (bytes.readUInt32BE(0) !== magic) throw world.fail('a request to a server has no magic');
    const command = bytes.readUInt16BE(6);
    const length = Number(extended ? bytes.readBigUInt64BE(24) : BigInt(bytes.readUInt32BE(24)));
    const isWrite = command === nbd.CMD_WRITE;
    const whole = header + (isWrite ? length : 0);
    if (bytes.length < whole) return 0;
    let data: Buffer | null = null;
    if (isWrite) {
      data = takeForSession(length);
      bytes.copy(data, 0, header, whole);
    }
    const request = {
      ...{ command, flags: bytes.readUInt16BE(4), cookie: Uint8Array.from(bytes.subarray(8, 16)) },
      ...{ offset: Number(bytes.readBigUInt64BE(16)), length },
    };
    if (command === nbd.CMD_DISC) this.lost(connection);
    else {
      this.#check(connection, request);
      // Only the writes of the log are sent before all of them are answered.
      const isChange = isWrite || command === nbd.CMD_WRITE_ZEROES;
      this.#lacksWrites = isChange && numberOf(request.cookie) >= this.#parts.requests;
      this.#begin(connection, request, data);
    }
    return whole;
  }

  /** What the protocol asks of clients. */
  #check(connection: Connection, request: NbdRequest): void {
    const { world, agreed, name } = this.#parts;
    const { command, flags, cookie, offset, length } = request;
    const what = `request ${command} of ${length} at ${offset} of ${name}`;
    const isFlush = command === nbd.CMD_FLUSH;
    const isTransfer = command === nbd.CMD_READ || command === nbd.CMD_WRITE;
    const { size, minimumBlock, maximumPayload } = agreed;
    const isWhole = offset % minimumBlock === 0 && length % minimumBlock === 0;
    const can = [
      isFlush ? nbd.CAN_FLUSH : 0,
      command === nbd.CMD_WRITE_ZEROES ? nbd.CAN_WRITE_ZEROES : 0,
      (flags & nbd.CMD_FLAG_FUA) !== 0 ? nbd.CAN_FUA : 0,
    ];
    if (isFlush ? length !== 0 || offset !== 0 : length === 0 || offset + length > size) {
      throw world.fail(`${what} is no range of ${size} bytes`);
    }
    if (!isWhole) throw world.fail(`${what} is no whole number of blocks of ${minimumBlock}`);
    if (isTransfer && length > maximumPayload) throw world.fail(`${what} is too long`);
    if (can.some((flag) => (agreed.flags & flag) !== flag)) {
      throw world.fail(`${what} asks for something that the server cannot do`);
    }
    if (command === nbd.CMD_BLOCK_STATUS && !agreed.tellsHoles) {
      throw world.fail(`${what}, although the server does not tell of holes`);
    }
    for (const job of connection.jobs) {
      if (Buffer.compare(job.cookie, cookie) !== 0) continue;
      throw world.fail(`${what} has the cookie of another one`);
    }
  }

  #begin(connection: Connection, request: NbdRequest, data: Buffer | null): void {
    const { world, random, plan, host } = this.#parts;
    const error = plan.faults > 0 && random.oneIn(plan.faults) ? this.#errorOf(request) : 0;
    const job = this.#jobOf(connection, request, data, error);
    connection.jobs.add(job);
    const { usualNs, longestNs, flushNs } = host;
    const isFlush = request.command === nbd.CMD_FLUSH;
    const longest = isFlush ? flushNs : random.oneIn(10) ? longestNs : 2 * usualNs;
    world.schedule(random.below(longest), () => {
      if (connection.jobs.delete(job)) job.perform();
    });
    if (plan.losses === 0 || !random.oneIn(plan.losses)) return;
    world.schedule(random.below(4 * usualNs), () => this.#lose(connection));
  }

  #errorOf({ command, cookie }: NbdRequest): number {
    const { random, requests } = this.#parts;
    // It is shutting down: whatever was asked can be asked again.
    if (random.oneIn(4)) return nbd.NBD_ESHUTDOWN;
    // Where a write that is repeated fails, and where a flush does, nobody knows what is lost.
    if (command === nbd.CMD_FLUSH || numberOf(cookie) >= requests) return 0;
    return command === nbd.CMD_WRITE && random.oneIn(2) ? ERRNO.ENOSPC : ERRNO.EIO;
  }

  #jobOf(connection: Connection, request: NbdRequest, data: Buffer | null, error: number): Job {
    const { world, random, files, descriptor, agreed } = this.#parts;
    const { command, flags, offset, length } = request;
    const isWrite = command === nbd.CMD_WRITE;
    const isChange = isWrite || command === nbd.CMD_WRITE_ZEROES;
    const issued = world.tick();
    const change = isChange
      ? files.change(descriptor, isWrite ? 'write' : 'zero', offset, length, data)
      : null;
    const name = `request ${command} of ${offset}+${length}`;
    world.trace?.(`${name} comes to the server`);
    const drop = (): void => {
      world.trace?.(`${name} is not carried out`);
      if (change !== null) change.length = 0;
      files.done(change, 0);
    };
    const perform = (): void => {
      world.trace?.(`${name} is carried out`);
      if (error !== 0) {
        drop();
        this.#fail(connection, request, error);
        return;
      }
      if (command === nbd.CMD_READ || command === nbd.CMD_BLOCK_STATUS) {
        const bytes = this.#read(offset, length);
        const chunks =
          command === nbd.CMD_READ
            ? dataReply(agreed, request, bytes, random)
            : [statusReply(agreed, request, bytes, random)];
        for (const chunk of chunks) this.#say(connection, chunk);
        return;
      }
      if (isChange) {
        const bytes = data ?? Buffer.alloc(length);
        writeSync(descriptor, bytes, 0, length, offset);
        files.done(change, length);
      }
      const isDurable = command === nbd.CMD_FLUSH || (flags & nbd.CMD_FLAG_FUA) !== 0;
      if (isDurable) this.#sync(isChange ? world.tick() : issued);
      this.#say(connection, answer(agreed, request, 0, random));
    };
    return { ...request, data, perform, drop };
  }

  #fail(connection: Connection, request: NbdRequest, error: number): void {
    const { agreed, random, files, explain, note } = this.#parts;
    if (!connection.isUp) return;
    note(`server error ${error}`);
    if (error !== nbd.NBD_ESHUTDOWN) {
      files.noteFault('server fails', error);
      explain(numberOf(request.cookie));
    }
    this.#say(connection, answer(agreed, request, error, random));
  }

  #say({ isUp, socket }: Connection, bytes: Uint8Array): void {
    if (isUp) socket.push(bytes);
  }

  #read(offset: number, length: number): Buffer {
    const bytes = takeForSession(length);
    readSync(this.#parts.descriptor, bytes, 0, length, offset);
    return bytes;
  }

  /** What was done before this tick is on the server's disk. */
  #sync(issued: number): void {
    const { files, world, name } = this.#parts;
    files.recordOf(name).barriers.push({ file: 0, issued, done: world.tick() });
  }

  /** A connection is lost, or all of them; perhaps the server is started again. */
  #lose(connection: Connection): void {
    const { random, plan, note } = this.#parts;
    if (!connection.isUp) return;
    const isCrash = random.oneIn(plan.crashes);
    const isAll = isCrash || random.oneIn(2);
    for (const one of isAll ? [...this.#connections] : [connection]) {
      one.socket.lose();
      this.lost(one);
    }
    const what = isCrash ? 'server crashed' : 'server connection lost';
    note(what);
    this.#parts.world.trace?.(what);
    if (isCrash) this.#crash();
  }

  /** The daemon has closed the connection, or it is lost. Requests that came are carried out now or never. */
  lost(connection: Connection): void {
    connection.isUp = false;
    this.#connections.delete(connection);
    for (const job of connection.jobs) {
      if (this.#parts.random.oneIn(2)) job.perform();
      else job.drop();
    }
    connection.jobs.clear();
  }

  /** The daemon has gone. */
  abandon(): void {
    for (const connection of [...this.#connections]) this.lost(connection);
  }

  /** What was not flushed may be gone. */
  #crash(): void {
    const { files, world, random, name, descriptor } = this.#parts;
    this.#lacksWrites = true;
    const record = files.recordOf(name);
    if (record.before === null) return;
    const { size } = fstatSync(descriptor);
    const bytes = cutOff(record.before, record, 0, world.tick(), random);
    writeSync(descriptor, bytes, 0, bytes.length, 0);
    ftruncateSync(descriptor, size);
    files.restarted(name, bytes);
  }
}
