import * as nbd from '../nbd/protocol.js';
import { FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, SEEK_DATA } from '../sys/constants.js';
import { close } from '../sys/libc.js';
import { ERRNO } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { Engine, EngineFile, HostStatus, TransferCall } from './engine.js';
import type { HostTimes } from './host-times.js';
import type { ConnectionBuffers } from './nbd-connection.js';
import type { NbdNews, ServedHost } from './nbd-export.js';
import { NbdRows } from './nbd-rows.js';
import { OWN_LISTS, OWN_ROWS, ServedExport } from './nbd-served.js';

/** Most exports of a mount at a time. */
const EXPORTS_MAX = 64;

/** The surroundings of the engine. */
export interface NbdHost extends Pick<ServedHost, 'open' | 'completed' | 'lost' | 'left'> {
  /** Requests have numbers below this. */
  readonly requests: number;
}

/** Exports of NBD servers as host files. A request's number is its row. */
export class NbdEngine implements Engine {
  readonly #rows: NbdRows;
  readonly #host: Omit<ServedHost, 'ended'>;
  readonly #requests: number;
  /** By handle. */
  readonly #exports: ServedExport[] = [];
  /** Handles of exports that have ended. */
  readonly #unused: number[] = [];
  /** By handle: the next export that has it takes them. */
  readonly #buffers: ConnectionBuffers[][] = [];
  #ids = 0;
  readonly #byId = new Map<number, ServedExport>();
  readonly #times: HostTimes[] = [];
  /** Something was written since the time of the last write was asked for. */
  readonly #isWritten: boolean[] = [];

  constructor({ requests, ...host }: NbdHost) {
    this.#requests = requests;
    this.#rows = new NbdRows(requests + EXPORTS_MAX * OWN_ROWS);
    this.#host = { ...host, rows: this.#rows };
  }

  /** @throws SluiceError EMFILE, exit code 1 */
  add({ nbd: one }: EngineFile): number {
    const handle = this.#unused.pop() ?? this.#exports.length;
    if (handle === EXPORTS_MAX) {
      const what = `a mount has at most ${EXPORTS_MAX} files that are on NBD servers`;
      throw new SluiceError(`${what}; use several mounts`, 'EMFILE', EXIT_FAILED);
    }
    this.#rows.lists.grow(this.#rows.capacity, (handle + 1) * OWN_LISTS);
    const ownRow = this.#requests + handle * OWN_ROWS;
    const id = ++this.#ids;
    this.#buffers[handle] ??= [];
    const ended = (): void => void this.#unused.push(handle);
    const host = { ...this.#host, ended };
    const places = { ownRow, lists: handle * OWN_LISTS, buffers: this.#buffers[handle] };
    const served = new ServedExport({ ...one!, id }, host, places);
    this.#exports[handle] = served;
    this.#byId.set(id, served);
    const now = timesNow();
    this.#times[handle] = { accessed: now, modified: now, changed: now };
    this.#isWritten[handle] = false;
    return handle;
  }

  /** Nothing of it may be under way. */
  remove(file: number): void {
    const one = this.#exports[file]!;
    this.#byId.delete(one.id);
    one.end();
  }

  /** Leaves all servers. Call it when nothing is under way. */
  removeAll(): void {
    for (const one of this.#exports) one.end();
  }

  /** Requests that servers have. */
  get underWay(): number {
    return this.#rows.underWay;
  }

  /** Sends what the turn has queued. */
  unplug(): void {
    for (let i = 0; i < this.#exports.length; i++) this.#exports[i]!.unplug();
  }

  /** The answer to a connection that was lost. */
  told(news: NbdNews): void {
    const one = this.#byId.get(news.id);
    if (news.kind === 'nbd-failed') one?.failed();
    else if (one !== undefined) one.connected(news.descriptors, news.agreed);
    else for (const descriptor of news.descriptors) close(descriptor);
  }

  links(): boolean {
    return false;
  }

  readonly read: TransferCall = (request, file, address, length, offset) => {
    const one = this.#exports[file]!;
    const bytes = Math.min(length, one.size - offset);
    return bytes <= 0 ? 0 : one.begin(request, nbd.CMD_READ, 0, address, bytes, offset);
  };

  readonly write: TransferCall = (request, file, address, length, offset) => {
    const one = this.#exports[file]!;
    const bytes = Math.min(length, one.size - offset);
    if (bytes <= 0) return -ERRNO.ENOSPC;
    this.#isWritten[file] = true;
    return one.begin(request, nbd.CMD_WRITE, 0, address, bytes, offset);
  };

  flush(request: number, file: number): number {
    return this.#exports[file]!.flush(request);
  }

  /**
   * Zeros alone. TRIM is not used: what it leaves behind need not be zeros, and a server gives room back for zeros
   * too. Setting room aside is not in the protocol, and neither are parts of blocks: a server refuses them.
   */
  allocate(request: number, file: number, mode: number, offset: number, length: number): number {
    const one = this.#exports[file]!;
    const zeroes = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
    if (!zeroes || !one.canZero) return -ERRNO.EOPNOTSUPP;
    const bytes = Math.min(length, one.size - offset);
    if (bytes <= 0) return 0;
    if (!one.hasBlocks(offset, bytes)) return -ERRNO.EOPNOTSUPP;
    this.#isWritten[file] = true;
    const flags = (mode & FALLOC_PUNCH_HOLE) === 0 ? nbd.CMD_FLAG_NO_HOLE : 0;
    return one.begin(request, nbd.CMD_WRITE_ZEROES, flags, 0, bytes, offset);
  }

  /** An export has the size that its server gives it. */
  resize(): number {
    return -ERRNO.EPERM;
  }

  seek(request: number, file: number, offset: number, whence: number): number {
    const one = this.#exports[file]!;
    if (offset >= one.size) return -ERRNO.ENXIO;
    if (one.tellsHoles) return one.seek(request, offset, whence);
    return whence === SEEK_DATA ? offset : one.size;
  }

  /** The protocol knows no times: those of the file are the time of opening, and of the last write through it. */
  setTimes(): number {
    return -ERRNO.EPERM;
  }

  status(_request: number, file: number, status: HostStatus): number {
    if (this.#isWritten[file]) {
      this.#isWritten[file] = false;
      const now = timesNow();
      this.#times[file] = { ...this.#times[file]!, modified: now, changed: now };
    }
    status.times = this.#times[file]!;
    status.size = this.#exports[file]!.size;
    return 0;
  }
}

/** The time of day. */
export function timesNow(): { seconds: number; nanoseconds: number } {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1e6 };
}
