import {
  Memory,
  replyOffset,
  SLOT_ANSWER,
  SLOT_REQUEST,
  slotOffset,
  timesOffset,
} from '../../src/buffers/memory.js';
import type { BackingFiles } from '../../src/fuse/backing-files.js';
import { Dispatcher } from '../../src/fuse/dispatch.js';
import { NO_REPLY } from '../../src/fuse/protocol.js';
import * as operation from '../../src/plane/operation.js';
import { Requests } from '../../src/plane/requests.js';
import { DEFERRED, type DiskService, type DiskStatus } from '../../src/plane/transport.js';
import { type DirectoryChanges, type DirectoryNode, Tree } from '../../src/tree/tree.js';

/**
 * Bytes from labelled hex: each part is a label without spaces, a space, and pairs of hex digits in
 * the order of memory (so numbers are little-endian). `*N` after a pair repeats it.
 */
export function hex(...parts: string[]): Uint8Array {
  const bytes: number[] = [];
  for (const part of parts) {
    for (const word of part.split(/\s+/).slice(1)) {
      const [digits = '', times = '1'] = word.split('*');
      for (let i = 0; i < Number(times); i++) {
        for (let at = 0; at < digits.length; at += 2) {
          bytes.push(Number.parseInt(digits.slice(at, at + 2), 16));
        }
      }
    }
  }
  return Uint8Array.from(bytes);
}

/** The bytes of a name with its NUL. */
export function nameBytes(name: string): Uint8Array {
  return new TextEncoder().encode(`${name}\0`);
}

/** struct fuse_attr of `web.raw`: 1000448 bytes, 8 blocks, 2023-11-14 from 22:13:20.25 on, 0100640. */
export const DISK_ATTRIBUTES = [
  'ino 0200000000000000',
  'size 00440f0000000000',
  'blocks 0800000000000000',
  'atime 00f1536500000000',
  'mtime 01f1536500000000',
  'ctime 02f1536500000000',
  'atime_ns 80b2e60e',
  'mtime_ns 15cd5b07',
  'ctime_ns 01000000',
  'mode a0810000',
  'nlink 01000000',
  'uid e8030000',
  'gid 64000000',
  'rdev 00000000',
  'blksize 00000400',
  'flags 00000000',
];

/** All tests of a file share it. */
export const memory = new Memory();

/** A plane that writes down what it is asked and answers what it is told. */
export class FakeDisks implements DiskService {
  readonly requests = new Requests();
  receivable = 32;
  readonly calls: string[] = [];
  /** The request that was begun last. */
  begun = -1;
  readonly state: DiskStatus = {
    size: 1_000_448,
    allocated: 4096,
    times: {
      accessed: { seconds: 1_700_000_000, nanoseconds: 250_000_000 },
      modified: { seconds: 1_700_000_001, nanoseconds: 123_456_789 },
      changed: { seconds: 1_700_000_002, nanoseconds: 1 },
    },
    mode: 0o640,
    isPartition: false,
  };
  /** Result of operations on data and size. */
  answer = DEFERRED;
  /** Result of OPEN and REFRESH. */
  openAnswer = 0;

  status(): DiskStatus {
    return this.state;
  }

  begin(request: number): number {
    const asked = this.requests.operation[request]!;
    this.begun = request;
    this.calls.push(this.#describe(request, asked));
    if (asked !== operation.OPEN && asked < operation.REFRESH) return this.answer;
    this.requests.handle[request] = 0;
    return this.openAnswer;
  }

  #describe(request: number, asked: number): string {
    const { disk, offset, length, mode } = this.requests;
    const [index, at, bytes, bits] = [disk, offset, length, mode].map((column) => column[request]!);
    const has = (bit: number): boolean => (bits! & bit) !== 0;
    switch (asked) {
      case operation.READ:
        return `read ${index} ${at} ${bytes}`;
      case operation.WRITE:
        return `write ${index} ${at} ${bytes} cache=${bits === 1}`;
      case operation.ALLOCATE:
        return `allocate ${index} mode=${bits} ${at} ${bytes}`;
      case operation.FLUSH:
        return `flush ${index} dataOnly=${bits === 1}`;
      case operation.SEEK:
        return `seek ${index} ${at} ${bits}`;
      case operation.RESIZE:
        return `resize ${index} ${bytes}`;
      case operation.SET_TIMES: {
        const times = memory.bytes.slice(timesOffset(request), timesOffset(request) + 32);
        return `times ${index} ${Buffer.from(times).toString('hex')}`;
      }
      case operation.OPEN: {
        const how = `writing=${has(operation.FOR_WRITING)} truncate=${has(operation.TRUNCATE)}`;
        return `open ${index} ${how}${has(operation.LOOK) ? ' look' : ''}`;
      }
      case operation.REFRESH:
        return `refresh ${index}`;
      case operation.REFRESH_ALL:
        return 'refresh all';
      case operation.CLOSE:
        return `close ${index}`;
      default:
        throw new Error(`there is no operation ${asked}`);
    }
  }

  interrupt(uniqueLow: number, uniqueHigh: number): void {
    this.calls.push(`interrupt ${uniqueLow} ${uniqueHigh}`);
  }

  replied(request: number): void {
    const slot = this.requests.slot[request]!;
    if (slot >= 0) memory.releaseSlot(slot);
    this.requests.release(request);
  }
}

/** Fills the memory after a request or a reply, so that reading or writing past its end shows. */
const STALE = 0xff;
const STALE_BYTES = 64 << 10;
/** Replies whose area is made stale: more requests are not under way. */
const STALE_REPLIES = 64;
const UNIQUE = 0x1122334455667788n;

/** Node IDs of the tree below, in the order in which nodes are made. */
export const ROOT = 1;
export const DISK = 2;
export const GROUPS = 3;
export const IO_MAX = 4;

/** A dispatcher over the tree `web.raw`, `.groups/io.max`: requests in, replies out, as bytes. */
export class Exchange {
  readonly tree = new Tree();
  readonly disks = new FakeDisks();
  readonly dispatcher: Dispatcher;
  /** What the dispatcher says once the reply to INIT has left. */
  accepted: boolean | null = null;
  /** The request that was answered last. */
  #answered = -1;
  #reply: number | Uint8Array | null = null;
  /** The contents of `io.max` at its next open. */
  content = 'rbps=max\n';

  /** Texts written to `io.max`, and the result of the next write. */
  readonly written: string[] = [];
  writeAnswer = 0;

  /**
   * @param writable `io.max` can be written, and groups can be made and removed.
   * @param backings Missing: no disk is passed through.
   */
  constructor(pageCache = false, writable = false, backings?: BackingFiles) {
    this.tree.addDisk(this.tree.root, 'web.raw', 7);
    const groups = this.tree.addDirectory(this.tree.root, '.groups');
    const write = (bytes: Uint8Array): number => {
      this.written.push(Buffer.from(bytes).toString());
      return this.writeAnswer;
    };
    this.tree.addControl(groups, 'io.max', {
      mode: writable ? 0o644 : 0o444,
      read: () => this.content,
      write: writable ? write : null,
    });
    if (writable) groups.changes = this.#changes(groups);
    this.dispatcher = new Dispatcher({
      memory,
      disks: this.disks,
      tree: this.tree,
      wire: { send: (request, offset, length) => this.#sent(request, offset, length) },
      owner: { uid: 1000, gid: 100 },
      pageCache,
      ...(backings === undefined ? {} : { backings }),
      initialised: (accepted) => {
        this.accepted = accepted;
      },
      trace: null,
    });
  }

  /**
   * Sends a request: its header is made here, `body` follows.
   * @returns -errno, DEFERRED or NO_REPLY, or the reply's payload.
   */
  send(opcode: number, node: number, body: Uint8Array = new Uint8Array()): number | Uint8Array {
    const { bytes, view } = memory;
    const slot = memory.takeSlot();
    const at = slotOffset(slot) + SLOT_REQUEST;
    bytes.fill(STALE, slotOffset(slot), slotOffset(slot) + SLOT_ANSWER + STALE_BYTES);
    bytes.fill(STALE, replyOffset(0), replyOffset(STALE_REPLIES));
    bytes.fill(0, at, at + 40);
    view.setUint32(at, 40 + body.length, true);
    view.setUint32(at + 4, opcode, true);
    view.setBigUint64(at + 8, UNIQUE, true);
    view.setBigUint64(at + 16, BigInt(node), true);
    bytes.set(body, at + 40);
    const { requests } = this.disks;
    const before = requests.count;
    this.#reply = null;
    this.dispatcher.received(slot, 40 + body.length);
    if (requests.count === before) return NO_REPLY;
    if (this.#reply === null) return DEFERRED;
    this.dispatcher.replied(this.#answered);
    return this.#reply;
  }

  /** mkdir makes an empty directory, rmdir removes it; the name `no` is refused with EBUSY. */
  #changes(groups: DirectoryNode): DirectoryChanges {
    const EBUSY = 16;
    return {
      makeDirectory: (name) => {
        if (name === 'no') return -EBUSY;
        const made = this.tree.addDirectory(groups, name);
        made.changes = this.#changes(made);
        return made.id;
      },
      removeDirectory: (name) => {
        if (name === 'no') return -EBUSY;
        this.tree.remove(groups.children.get(name)!);
        return 0;
      },
    };
  }

  /** Ends the operation that was deferred last with `result`. */
  finish(result: number): number | Uint8Array {
    memory.bytes.fill(STALE, replyOffset(0), replyOffset(STALE_REPLIES));
    this.dispatcher.reply(this.disks.begun, result, 0, false);
    return this.#reply!;
  }

  /** Takes in a reply; nothing behind it may have been touched. */
  #sent(request: number, offset: number, length: number): void {
    this.#answered = request;
    const { bytes, view } = memory;
    if (view.getUint32(offset, true) !== length) throw new Error('a reply of a wrong length');
    if (view.getBigUint64(offset + 8, true) !== UNIQUE)
      throw new Error('a reply to another request');
    if (bytes[offset + length] !== STALE) throw new Error(`more than ${length} bytes are written`);
    const error = view.getInt32(offset + 4, true);
    this.#reply = error < 0 ? error : bytes.slice(offset + 16, offset + length);
  }
}
