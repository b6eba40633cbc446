import { openSync, readSync } from 'node:fs';
import { getU64 } from '../../src/fuse/wire.js';
import { MappedFiles } from '../../src/host/mapped-files.js';
import { FILE_PAGE, isResident } from '../../src/sys/file-pages.js';
import { bytesAt } from '../../src/sys/memory.js';
import * as uring from '../../src/uring/abi.js';
import { Random } from '../exerciser/random.js';
import type { Coverage } from './coverage.js';
import type { SessionPlan } from './plan.js';
import type { Entry } from './sim-ring.js';
import { Failure } from './world.js';

// Reading in place: the files of a run are in memory, and their pages can be mapped as those of a daemon.

/** The first stream of random numbers that no other part has. */
const STREAM = 17;
/** Files are read in place in one session of this many. */
const IN_PLACE = 3;
/** More than a ring has in a run. */
const FILES = 1024;
const MOST_BYTES = 2 ** 40;

let memory = -1;

/** The mapped files of a daemon. */
export class SimPages {
  /** Null: the daemon reads nothing in place. */
  readonly mapped: MappedFiles | null;

  /**
   * What is read in place takes no time, and then nothing waits for its share.
   *
   * @param isKept Another daemon is to go on after the death of this one: see loop/worker.ts.
   */
  constructor({ host: { seed }, queues, weights }: SessionPlan, isKept: boolean) {
    const mayBe = queues === 0 && weights === null && !isKept;
    const isWanted = mayBe && new Random(seed, STREAM).oneIn(IN_PLACE);
    this.mapped = isWanted ? new MappedFiles(MOST_BYTES, () => true) : null;
  }

  /** The process has ended. */
  release(): void {
    if (this.mapped === null) return;
    for (let file = 0; file < FILES; file++) this.mapped.remove(file);
    if (this.mapped.bytes > 0) throw new Failure('pages of files that are gone are counted');
  }
}

/** The bytes of a reply, as the kernel takes them. */
export function replyOf({ opcode, address, length }: Entry, coverage: Coverage): Uint8Array {
  if (opcode !== uring.OP_WRITEV) return bytesAt(address, length);
  coverage.add('reply from the pages of a file');
  const iovecs = bytesAt(address, uring.IOVECS_BYTES);
  const view = new DataView(iovecs.buffer, iovecs.byteOffset, uring.IOVECS_BYTES);
  const header = bytesAt(getU64(view, 0), getU64(view, 8));
  const reply = new Uint8Array(header.length + getU64(view, 24));
  reply.set(header);
  readPages(getU64(view, 16), reply.subarray(header.length));
  return reply;
}

/** To read a page that is not there would fill a hole of its file. */
function readPages(address: number, bytes: Uint8Array): void {
  const start = address - (address % FILE_PAGE);
  const end = address + bytes.length;
  const pages = new Uint8Array(Math.ceil((end - start) / FILE_PAGE));
  if (!isResident(start, end - start, pages) || pages.some((page) => (page & 1) === 0)) {
    throw new Failure('a hole of a file is read in place');
  }
  readMemory(address, bytes);
}

/** Reads what the kernel finds at an address of this process. */
export function readMemory(address: number, bytes: Uint8Array): void {
  if (memory < 0) memory = openSync('/proc/self/mem', 'r');
  const got = readSync(memory, bytes, 0, bytes.length, address);
  if (got < bytes.length) throw new Failure('memory that is not there is read');
}
