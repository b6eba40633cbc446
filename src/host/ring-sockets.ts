import { close } from '../sys/libc.js';
import type { Mapping } from '../sys/memory.js';
import { MSG_NOSIGNAL, MSG_WAITALL, shutDown } from '../sys/sockets.js';
import * as abi from '../uring/abi.js';
import type { RingQueue } from '../uring/ring.js';
import { TAG_SOCKET_RECEIVED, TAG_SOCKET_SENT } from '../uring/tags.js';
import type { OpenWire, Wire, WireEvents } from './nbd-connection.js';

/** Calls about a socket that do not go through the ring. */
export interface SocketCalls {
  /** Ends what is under way. */
  shutDown(descriptor: number): void;
  close(descriptor: number): void;
}

/** A socket on the ring. */
class RingSocket implements Wire {
  readonly canPlace = true;
  readonly #ring: RingQueue;
  readonly #calls: SocketCalls;
  readonly #descriptor: number;
  readonly #file: number;
  /** Its index, which the tags of its entries have. */
  readonly #index: number;
  readonly #events: WireEvents;
  readonly #free: (index: number) => void;
  #underWay = 0;
  #isClosing = false;

  constructor(
    ring: RingQueue,
    calls: SocketCalls,
    descriptor: number,
    index: number,
    events: WireEvents,
    free: (index: number) => void,
  ) {
    this.#ring = ring;
    this.#calls = calls;
    this.#descriptor = descriptor;
    this.#file = ring.addFile(descriptor);
    this.#index = index;
    this.#events = events;
    this.#free = free;
  }

  send(address: number, length: number): void {
    const flags = MSG_NOSIGNAL | MSG_WAITALL;
    this.#queue(abi.OP_SEND, address, length, flags, TAG_SOCKET_SENT);
  }

  receive(address: number, length: number, all: boolean): void {
    this.#queue(abi.OP_RECV, address, length, all ? MSG_WAITALL : 0, TAG_SOCKET_RECEIVED);
  }

  #queue(opcode: number, address: number, length: number, flags: number, tag: number): void {
    this.#underWay++;
    const own = tag | this.#index;
    this.#ring.queue(opcode, abi.SQE_FIXED_FILE, this.#file, address, length, 0, flags, own);
  }

  ended(kind: number, result: number): void {
    this.#underWay--;
    if (this.#isClosing) this.#closeIfQuiet();
    else if (kind === TAG_SOCKET_SENT) this.#events.sent(result);
    else this.#events.received(result);
  }

  /** The kernel has the memory of a receive until that has ended. */
  close(): void {
    this.#isClosing = true;
    this.#calls.shutDown(this.#descriptor);
    this.#closeIfQuiet();
  }

  #closeIfQuiet(): void {
    if (this.#underWay > 0) return;
    this.#ring.removeFile(this.#file);
    this.#calls.close(this.#descriptor);
    this.#free(this.#index);
    this.#events.closed();
  }
}

/** Sockets whose bytes the ring carries that also carries everything else. */
export class RingSockets {
  readonly #ring: RingQueue;
  readonly #calls: SocketCalls;
  readonly #sockets: RingSocket[] = [];
  readonly #unused: number[] = [];

  /** @param calls Those of the kernel, unless another one is simulated. */
  constructor(ring: RingQueue, calls: SocketCalls = { shutDown, close }) {
    this.#ring = ring;
    this.#calls = calls;
  }

  readonly open: OpenWire = (descriptor: number, _buffer: Mapping, events: WireEvents): Wire => {
    const index = this.#unused.pop() ?? this.#sockets.length;
    const free = (one: number): void => void this.#unused.push(one);
    const socket = new RingSocket(this.#ring, this.#calls, descriptor, index, events, free);
    this.#sockets[index] = socket;
    return socket;
  };

  /** A send or receive has ended. @param kind TAG_SOCKET_SENT or TAG_SOCKET_RECEIVED. */
  completed(kind: number, index: number, result: number): void {
    this.#sockets[index]!.ended(kind, result);
  }
}
