import * as nbd from '../nbd/protocol.js';
import { type NbdTarget, parseNbdUri } from '../nbd/uri.js';
import { close as closeDescriptor } from '../sys/libc.js';
import { hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import { type Connected, connect, connectMore } from './nbd-connect.js';
import { timesNow } from './nbd-engine.js';
import type { NbdExport } from './nbd-export.js';
import { WaitingExport } from './nbd-waiting.js';
import type { OpenFile, WritableFile } from './open-file.js';
import type { ServedAs, ServedFile } from './served-file.js';

/** Of each step of a connection for a command, and for the start of a mount. */
const OPEN_TIMEOUT_MS = 10_000;

/** An export that is open in this process. */
interface Shared {
  readonly connected: Connected;
  readonly waiting: WaitingExport;
  users: number;
}

/**
 * A server may take one client at a time (`qemu-nbd` does), so a process that has the export open does not
 * connect again.
 */
const open = new Map<string, Shared>();

/** An export of an NBD server as a host file, open for reading until it is closed. */
export class NbdFile implements OpenFile {
  readonly path: string;
  /** It has none that a file has. */
  readonly descriptor = -1;
  readonly blockDevice = true;
  readonly identity: string;
  readonly blockBytes = null;
  readonly #target: NbdTarget;
  readonly #agreed: Connected['agreed'];
  #shared: Shared | null;
  /** Handed over, unless what is opened fails after that. */
  #served: readonly number[] = [];

  /** @throws SluiceError exit code 1 if it cannot be reached, 3 if its server is refused */
  constructor(uri: string) {
    this.path = uri;
    this.#target = parseNbdUri(uri);
    const { exportName, socket, host, port } = this.#target;
    this.identity = `nbd ${socket ?? `${host}:${port}`} ${exportName}`;
    this.#shared = open.get(this.identity) ?? this.#connect();
    this.#shared.users++;
    this.#agreed = this.#shared.connected.agreed;
  }

  #connect(): Shared {
    const connected = connect(this.#target, OPEN_TIMEOUT_MS);
    // No writes are kept: a connection that is lost now ends the command.
    const one = this.#export(connected.agreed, [connected.descriptor], true, 0, 1);
    const shared = { connected, waiting: new WaitingExport(one), users: 0 };
    open.set(this.identity, shared);
    return shared;
  }

  #export(
    agreed: Connected['agreed'],
    descriptors: readonly number[],
    readOnly: boolean,
    timeoutMs: number,
    connections: number,
  ): NbdExport {
    const target = this.#target;
    return { id: 0, target, agreed, descriptors, readOnly, timeoutMs, connections };
  }

  get size(): number {
    return this.#agreed.size;
  }

  /** A server tells of holes range by range, and never how many there are. */
  get allocated(): number {
    return this.size;
  }

  get link(): string {
    return this.path;
  }

  get waiting(): WaitingExport {
    return this.#shared!.waiting;
  }

  refresh(): void {}

  isAt(path: string): boolean {
    return path === this.path;
  }

  isBeside(): boolean {
    return false;
  }

  checkName(): void {}

  /** An export has none: it is the mounting user's alone. */
  get mode(): number {
    return (this.#agreed.flags & nbd.CAN_BE_READ_ONLY) === 0 ? 0o600 : 0o400;
  }

  /** @throws SluiceError EROFS, exit code 1 */
  checkWritable(): void {
    if ((this.#agreed.flags & nbd.CAN_BE_READ_ONLY) === 0) return;
    const message = `${this.path}: the server lets nobody write this export; use --read-only`;
    throw new SluiceError(message, 'EROFS', EXIT_FAILED);
  }

  use(): string | null {
    return null;
  }

  /** The protocol has no locks: a server knows its clients. */
  lock(forWriting: boolean): void {
    if (forWriting) this.checkWritable();
  }

  /** The data plane has its connections, and closes them. */
  readonly descriptors: readonly number[] = [];
  readonly unlockable: number[] = [];
  readonly hold = null;

  keepMemory(): number {
    throw new Error('an export is not held');
  }

  /**
   * Hands the connection over to the data plane, with more if the server allows them.
   *
   * @throws SluiceError exit code 3 if its blocks are too large
   */
  serve({ readOnly, largestBlock, nbd: options }: ServedAs): ServedFile {
    const { minimumBlock } = this.#agreed;
    if (minimumBlock > Math.max(1, largestBlock)) {
      const what = `the server wants blocks of ${minimumBlock} bytes, and this image needs smaller ones`;
      const way = 'with nbdkit --filter=blocksize it takes any';
      throw new SluiceError(`${this.path}: ${what}; ${way}`, 'EINVAL', EXIT_IMAGE);
    }
    const { connected } = this.#shared!;
    const { timeoutMs, connections } = options;
    // From now on the data plane closes it.
    open.delete(this.identity);
    this.#shared = null;
    const more = connectMore(this.#target, connected, OPEN_TIMEOUT_MS, connections);
    const descriptors = [connected.descriptor, ...more];
    this.#served = descriptors;
    const now = timesNow();
    return {
      descriptor: -1,
      size: this.size,
      allocated: this.size,
      alignment: minimumBlock,
      blockDevice: false,
      // Each export is a device of its own: no dev_t is negative.
      device: -connected.descriptor,
      inMemory: false,
      mode: this.mode,
      times: { accessed: now, modified: now, changed: now },
      nbd: this.#export(this.#agreed, descriptors, readOnly, timeoutMs, connections),
    };
  }

  serveKernel(): number {
    throw new Error('the kernel has no file of an export');
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#check(this.waiting.read(offset, bytes), 'read');
    return bytes;
  }

  edit(): WritableFile & { descriptor: number; close(): void } {
    const { path, size, allocated } = this;
    return {
      path,
      descriptor: -1,
      size,
      allocated,
      read: (offset, length) => this.read(offset, length),
      write: (offset, bytes) => this.#check(this.waiting.write(offset, bytes), 'written'),
      sync: () => this.#check(this.waiting.flush(), 'flushed'),
      close: () => {},
    };
  }

  #check(result: number, done: string): void {
    if (result >= 0) return;
    const { failure } = this.waiting;
    const why = failure === '' ? hostErrorText(-result) : failure;
    throw new SluiceError(`${this.path}: cannot be ${done}: ${why}`, 'EIO', EXIT_FAILED);
  }

  close(): void {
    for (const descriptor of this.#served) closeDescriptor(descriptor);
    this.#served = [];
    const shared = this.#shared;
    this.#shared = null;
    if (shared === null || --shared.users > 0) return;
    open.delete(this.identity);
    shared.waiting.close();
  }
}
