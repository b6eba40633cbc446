import { Socket } from 'node:net';
import { bytesAt, type Mapping } from '../sys/memory.js';
import { ERRNO } from '../util/errno.js';
import type { OpenWire, Wire, WireEvents } from './nbd-connection.js';

/** A socket of Node.js, on the event loop of this thread. */
class NetSocket implements Wire {
  readonly canPlace = false;
  readonly #socket: Socket;
  readonly #events: WireEvents;
  readonly #turn: () => void;
  #isClosed = false;

  constructor(descriptor: number, buffer: Mapping, events: WireEvents, turn: () => void) {
    this.#events = events;
    this.#turn = turn;
    // All that comes is read into the one buffer, and taken out of it before more is read.
    const onread = {
      buffer: new Uint8Array(buffer.buffer),
      callback: (bytes: number): boolean => {
        this.#received(bytes);
        return true;
      },
    };
    this.#socket = new Socket({ fd: descriptor, onread } as ConstructorParameters<
      typeof Socket
    >[0]);
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#received(error.errno ?? -ERRNO.EIO);
    });
    this.#socket.on('end', () => this.#received(0));
    this.#socket.resume();
  }

  #received(result: number): void {
    if (this.#isClosed) return;
    this.#turn();
    this.#events.received(result);
  }

  send(address: number, length: number): void {
    this.#socket.write(bytesAt(address, length), (error) => {
      // An error comes by the event, too.
      if (error || this.#isClosed) return;
      this.#turn();
      this.#events.sent(length);
    });
  }

  /** It is always being received. */
  receive(): void {}

  close(): void {
    this.#isClosed = true;
    this.#socket.once('close', () => {
      this.#turn();
      this.#events.closed();
    });
    this.#socket.destroy();
  }
}

/**
 * Sockets on the event loop of this thread.
 * @param turn Called before each event.
 */
export function netSockets(turn: () => void): OpenWire {
  return (descriptor, buffer, events) => new NetSocket(descriptor, buffer, events, turn);
}
