import { DEFERRED, type DiskOperations, type DiskStatus } from '../../src/fuse/disk-operations.js';
import { Dispatcher } from '../../src/fuse/dispatch.js';
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

/** Disks that record their calls and give prepared answers. */
export class FakeDisks implements DiskOperations {
  readonly calls: string[] = [];
  readonly state: DiskStatus = {
    size: 1_000_448,
    allocated: 4096,
    times: {
      accessed: { seconds: 1_700_000_000, nanoseconds: 250_000_000 },
      modified: { seconds: 1_700_000_001, nanoseconds: 123_456_789 },
      changed: { seconds: 1_700_000_002, nanoseconds: 1 },
    },
    mode: 0o640,
  };
  /** Result of operations on data and size. */
  answer = DEFERRED;
  /** Result of `open` and `refresh`. */
  openAnswer = 0;

  status(): DiskStatus {
    return this.state;
  }
  refresh(disk: number): number {
    this.calls.push(`refresh ${disk}`);
    return this.openAnswer;
  }
  refreshAll(): number {
    this.calls.push('refresh all');
    return this.openAnswer;
  }
  look(disk: number): number {
    this.calls.push(`look ${disk}`);
    return this.openAnswer;
  }
  open(disk: number, forWriting: boolean, truncate: boolean): number {
    this.calls.push(`open ${disk} writing=${forWriting} truncate=${truncate}`);
    return this.openAnswer;
  }
  read(disk: number, offset: number, length: number): number {
    return this.#asked(`read ${disk} ${offset} ${length}`);
  }
  write(disk: number, offset: number, length: number, fromCache: boolean): number {
    return this.#asked(`write ${disk} ${offset} ${length} cache=${fromCache}`);
  }
  opened(): number {
    return 0;
  }

  closed(): void {}

  flush(disk: number, dataOnly: boolean): number {
    return this.#asked(`flush ${disk} dataOnly=${dataOnly}`);
  }
  allocate(disk: number, mode: number, offset: number, length: number): number {
    return this.#asked(`allocate ${disk} mode=${mode} ${offset} ${length}`);
  }
  seek(disk: number, offset: number, whence: number): number {
    return this.#asked(`seek ${disk} ${offset} ${whence}`);
  }
  resize(disk: number, size: number): number {
    return this.#asked(`resize ${disk} ${size}`);
  }
  setTimes(disk: number, times: Uint8Array): number {
    return this.#asked(`times ${disk} ${Buffer.from(times).toString('hex')}`);
  }
  interrupt(uniqueLow: number, uniqueHigh: number): void {
    this.calls.push(`interrupt ${uniqueLow} ${uniqueHigh}`);
  }

  #asked(call: string): number {
    this.calls.push(call);
    return this.answer;
  }
}

const REQUEST_AT = 4096;
const REPLY_AT = 32768;
const MEMORY_BYTES = 1 << 17;
/** Fills the memory after a request, so that reading past its end shows. */
const STALE = 0xff;

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
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** The contents of `io.max` at its next open. */
  content = 'rbps=max\n';

  /** Texts written to `io.max`, and the result of the next write. */
  readonly written: string[] = [];
  writeAnswer = 0;

  /** @param writable `io.max` can be written, and groups can be made and removed. */
  constructor(pageCache = false, writable = false) {
    const memory = new ArrayBuffer(MEMORY_BYTES);
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
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
    const owner = { uid: 1000, gid: 100 };
    this.dispatcher = new Dispatcher(this.tree, this.disks, memory, owner, pageCache);
  }

  /**
   * Sends a request: its header is made here, `body` follows.
   * @returns -errno, DEFERRED or NO_REPLY, or the reply's payload.
   */
  send(opcode: number, node: number, body: Uint8Array = new Uint8Array()): number | Uint8Array {
    const bytes = this.#bytes;
    const view = this.#view;
    bytes.fill(STALE);
    bytes.fill(0, REQUEST_AT, REQUEST_AT + 40);
    view.setUint32(REQUEST_AT, 40 + body.length, true);
    view.setUint32(REQUEST_AT + 4, opcode, true);
    view.setBigUint64(REQUEST_AT + 8, 0x1122334455667788n, true);
    view.setBigUint64(REQUEST_AT + 16, BigInt(node), true);
    bytes.set(body, REQUEST_AT + 40);
    return this.#reply(this.dispatcher.dispatch(REQUEST_AT, 40 + body.length, REPLY_AT));
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

  /** Ends a deferred operation with `result`. */
  finish(opcode: number, node: number, result: number): number | Uint8Array {
    this.#bytes.fill(STALE);
    return this.#reply(this.dispatcher.finish(opcode, node, result, REPLY_AT));
  }

  #reply(length: number): number | Uint8Array {
    // The byte after the payload must not have changed.
    if (length >= 0 && this.#bytes[REPLY_AT + length] !== STALE) {
      throw new Error(`the reply is longer than its ${length} bytes`);
    }
    return length < 0 ? length : this.#bytes.slice(REPLY_AT, REPLY_AT + length);
  }
}
