import { close, declare } from '../../src/sys/libc.js';

const socket = declare<[number, number, number]>('int socket(int domain, int type, int protocol)');
const bind = declare<[number, Uint8Array, number]>(
  'int bind(int fd, const uint8_t *address, uint length)',
);
const recv = declare<[number, Uint8Array, number, number]>(
  'int64 recv(int fd, _Out_ uint8_t *bytes, size_t length, int flags)',
);

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** A socket as systemd has one for each service. Node.js has no datagrams of Unix. */
export class NotifySocket {
  readonly path: string;
  readonly #descriptor: number;

  constructor(path: string) {
    this.path = path;
    const address = Buffer.alloc(2 + Buffer.byteLength(path) + 1);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, 2);
    this.#descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    const result = bind(this.#descriptor, address, address.length);
    if (result < 0) throw new Error(`bind ${path}: ${result}`);
  }

  /** The datagrams that have come since the last call. */
  received(): string[] {
    const texts: string[] = [];
    const bytes = Buffer.alloc(4096);
    for (;;) {
      const length = Number(recv(this.#descriptor, bytes, bytes.length, MSG_DONTWAIT));
      if (length < 0) return texts;
      texts.push(bytes.toString('utf8', 0, length));
    }
  }

  close(): void {
    close(this.#descriptor);
  }
}
