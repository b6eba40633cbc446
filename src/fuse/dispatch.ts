import { constants } from 'node:fs';
import { O_ACCMODE } from '../sys/constants.js';
import type { ControlNode, DirectoryNode, Tree, TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { AttributeEncoder, type Owner } from './attributes.js';
import { writeDirectory } from './directory.js';
import { type DiskOperations, NO_REPLY } from './disk-operations.js';
import { Handles } from './handles.js';
import { type Negotiated, negotiate } from './init.js';
import { FORBIDDEN, OPCODES } from './opcodes.js';
import { clear, getU64, setU64 } from './wire.js';

/**
 * Seconds for which the kernel may use names and attributes of disks without asking. Groups come and
 * go and their files show figures: what the kernel knows of those holds for no time at all.
 */
const VALID_S = 1;

// Two of struct timespec, and what their nanoseconds may say instead of a time.
const TIMES_BYTES = 32;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

/**
 * The FUSE protocol without a descriptor: a request's bytes in, a reply's bytes out. What takes time
 * is begun through DiskOperations and encoded later by `finish`.
 */
export class Dispatcher {
  /** Valid once INIT has been answered. */
  readonly negotiated: Negotiated = { minor: 0, flags: 0, flags2: 0 };
  /** INIT has been answered. */
  initialised = false;

  readonly #tree: Tree;
  readonly #disks: DiskOperations;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #attributes: AttributeEncoder;
  readonly #handles = new Handles();

  readonly #pageCache: boolean;

  /**
   * @param memory Holds every request and reply; offsets below are into it.
   * @param pageCache Let the kernel cache disks: the cache's hits pass the groups by.
   */
  constructor(
    tree: Tree,
    disks: DiskOperations,
    memory: ArrayBuffer,
    owner: Owner,
    pageCache: boolean,
  ) {
    this.#tree = tree;
    this.#disks = disks;
    this.#view = new DataView(memory);
    this.#bytes = new Uint8Array(memory);
    this.#attributes = new AttributeEncoder(disks, owner);
    this.#pageCache = pageCache;
  }

  /**
   * Handles the request of `length` bytes at `at`. A reply's payload is written from `out`, which
   * lies behind the request.
   * @returns The payload's length, -errno, DEFERRED or NO_REPLY.
   */
  dispatch(at: number, length: number, out: number): number {
    const view = this.#view;
    const opcode = view.getUint32(at + abi.IN_OPCODE, true);
    const row = OPCODES[opcode];
    if (row === undefined) return FORBIDDEN.has(opcode) ? -ERRNO.EPERM : -ERRNO.ENOSYS;
    if (length < abi.IN_HEADER_BYTES + row.minBytes) return -ERRNO.EIO;
    const body = at + abi.IN_HEADER_BYTES;
    // Requests about a connection or about nodes that may be gone.
    switch (opcode) {
      case abi.INIT:
        return this.#init(body, length - abi.IN_HEADER_BYTES, out);
      case abi.FORGET:
      case abi.BATCH_FORGET:
        return NO_REPLY; // Nodes live as long as the mount shows them.
      case abi.INTERRUPT:
        this.#disks.interrupt(view.getUint32(body, true), view.getUint32(body + 4, true));
        return NO_REPLY;
      case abi.DESTROY:
        return 0;
    }
    const node = this.#tree.node(getU64(view, at + abi.IN_NODEID));
    if (node === undefined) return this.#gone(opcode, body);
    const result = this.#begin(opcode, node, body, length - abi.IN_HEADER_BYTES, out);
    return result < 0 ? result : this.#encode(opcode, node, result, out);
  }

  /**
   * Encodes the result of an operation that was DEFERRED.
   * @param result What the operation came to: a number from 0 or -errno.
   * @returns The payload's length or -errno.
   */
  finish(opcode: number, nodeId: number, result: number, out: number): number {
    if (result < 0) return result;
    const node = this.#tree.node(nodeId);
    return node === undefined ? -ERRNO.ESTALE : this.#encode(opcode, node, result, out);
  }

  /** A group was removed while something of it was open: closing works, using it does not. */
  #gone(opcode: number, body: number): number {
    switch (opcode) {
      case abi.RELEASE:
        this.#handles.close(getU64(this.#view, body));
        return 0;
      case abi.RELEASEDIR:
      case abi.FLUSH:
        return 0;
      case abi.READ:
      case abi.WRITE:
        return -ERRNO.ENODEV;
      default:
        return -ERRNO.ESTALE;
    }
  }

  #init(body: number, bytes: number, out: number): number {
    const length = negotiate(this.#view, body, bytes, out, this.negotiated);
    if (length > 0 && this.negotiated.minor > 0) this.initialised = true;
    return length;
  }

  /** Does what the request asks: a result for `#encode`, -errno or DEFERRED. */
  #begin(opcode: number, node: TreeNode, body: number, length: number, out: number): number {
    switch (opcode) {
      case abi.READ:
      case abi.WRITE:
        return this.#transfer(opcode, node, body, length, out);
      case abi.LOOKUP:
        return this.#lookup(node, body, length);
      case abi.GETATTR:
        return node.kind === 'disk' ? this.#disks.refresh(node.disk) : 0;
      case abi.SETATTR:
        return this.#setAttributes(node, body);
      case abi.MKDIR:
      case abi.RMDIR:
        return this.#changeGroups(opcode, node, body, length);
      case abi.OPEN:
        return this.#open(node, body);
      case abi.STATFS:
        return this.#disks.refreshAll();
      case abi.READDIR:
        return this.#readDirectory(node, body, out);
      case abi.RELEASE:
        if (node.kind === 'control') this.#handles.close(getU64(this.#view, body));
        else if (node.kind === 'disk') this.#disks.closed(node.disk, getU64(this.#view, body));
        return 0;
      case abi.FSYNC:
      case abi.FALLOCATE:
      case abi.LSEEK:
        return this.#diskOnly(opcode, node, body);
      default:
        // OPENDIR, RELEASEDIR, FSYNCDIR, FLUSH and ACCESS have nothing to do but to reply.
        return 0;
    }
  }

  /** Writes the payload for a result from 0; returns its length. */
  #encode(opcode: number, node: TreeNode, result: number, out: number): number {
    const view = this.#view;
    switch (opcode) {
      case abi.READ:
      case abi.READDIR:
        return result;
      case abi.WRITE:
        view.setUint32(out + abi.WRITE_OUT_SIZE, result, true);
        view.setUint32(out + 4, 0, true);
        return abi.WRITE_OUT_BYTES;
      case abi.LOOKUP:
      case abi.MKDIR:
        return this.#entry(this.#tree.node(result)!, out);
      case abi.GETATTR:
      case abi.SETATTR:
        clear(view, out, abi.ATTR_OUT_ATTR);
        setU64(view, out + abi.ATTR_OUT_VALID, valid(node));
        this.#attributes.encode(view, out + abi.ATTR_OUT_ATTR, node);
        return abi.ATTR_OUT_BYTES;
      case abi.OPEN:
      case abi.OPENDIR:
        return this.#opened(node, result, out);
      case abi.STATFS:
        return this.#statfs(out);
      case abi.LSEEK:
        setU64(view, out + abi.LSEEK_OUT_OFFSET, result);
        return abi.LSEEK_OUT_BYTES;
      default:
        return 0;
    }
  }

  #transfer(opcode: number, node: TreeNode, body: number, length: number, out: number): number {
    const view = this.#view;
    const offset = getU64(view, body + abi.IO_IN_OFFSET);
    const size = view.getUint32(body + abi.IO_IN_SIZE, true);
    if (node.kind === 'directory') return -ERRNO.EISDIR;
    if (opcode === abi.READ) {
      if (node.kind === 'disk') return this.#disks.read(node.disk, offset, size);
      return this.#handles.read(getU64(view, body), offset, size, this.#bytes, out);
    }
    if (size > length - abi.IO_IN_BYTES) return -ERRNO.EIO;
    if (node.kind === 'control') return this.#writeControl(node, body, size);
    const flags = view.getUint32(body + abi.WRITE_IN_FLAGS, true);
    return this.#disks.write(node.disk, offset, size, (flags & abi.WRITE_CACHE) !== 0);
  }

  /**
   * One write(2) is one change, wherever in the file it goes: `>` and `>>` mean the same here. Result:
   * the bytes taken, which is all of them.
   */
  #writeControl(node: ControlNode, body: number, size: number): number {
    const { file } = node;
    if (file.write === null) return -ERRNO.EACCES;
    const text = body + abi.IO_IN_BYTES;
    const result = file.write(this.#bytes.subarray(text, text + size));
    if (result < 0) return result;
    this.#handles.renew(getU64(this.#view, body + abi.IO_IN_FH), file.read());
    return size;
  }

  /** Result: the new group's node id; 0 for one that is removed. */
  #changeGroups(opcode: number, node: TreeNode, body: number, length: number): number {
    if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
    if (node.changes === null) return -ERRNO.EPERM;
    if (opcode === abi.RMDIR) return node.changes.removeDirectory(this.#text(body, length));
    const name = this.#text(body + abi.MKDIR_IN_BYTES, length - abi.MKDIR_IN_BYTES);
    return node.changes.makeDirectory(name);
  }

  /** Result: the child's node id. */
  #lookup(node: TreeNode, body: number, length: number): number {
    if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
    const name = this.#text(body, length);
    if (name === '.') return node.id;
    if (name === '..') return (node.parent ?? node).id;
    const child = node.children.get(name);
    return child === undefined ? -ERRNO.ENOENT : child.id;
  }

  /** Size and times can be set, owner and mode are the mount's. A size comes with times of its own. */
  #setAttributes(node: TreeNode, body: number): number {
    const valid = this.#view.getUint32(body + abi.SETATTR_IN_VALID, true);
    if ((valid & (abi.FATTR_MODE | abi.FATTR_UID | abi.FATTR_GID)) !== 0) return -ERRNO.EPERM;
    if ((valid & abi.FATTR_SIZE) === 0) return this.#setTimes(node, body, valid);
    // A shell's `> file` truncates a control file before it writes.
    if (node.kind === 'control') return 0;
    if (node.kind === 'directory') return -ERRNO.EISDIR;
    return this.#disks.resize(node.disk, getU64(this.#view, body + abi.SETATTR_IN_SIZE));
  }

  /** The times of a control file say nothing: setting them to now (`touch`) is all that is taken. */
  #setTimes(node: TreeNode, body: number, valid: number): number {
    const named = (valid & (abi.FATTR_ATIME_NOW | abi.FATTR_MTIME_NOW)) === 0;
    if ((valid & (abi.FATTR_ATIME | abi.FATTR_MTIME)) === 0) return 0;
    if (node.kind !== 'disk') return named ? -ERRNO.EPERM : 0;
    const view = this.#view;
    const times = new Uint8Array(TIMES_BYTES);
    const words = new DataView(times.buffer);
    const set = (at: number, chosen: number, now: number, seconds: number, ns: number): void => {
      const kept = (valid & chosen) === 0 ? UTIME_OMIT : (valid & now) !== 0 ? UTIME_NOW : -1;
      words.setBigInt64(at, view.getBigInt64(body + seconds, true), true);
      words.setBigInt64(at + 8, BigInt(kept < 0 ? view.getUint32(body + ns, true) : kept), true);
    };
    set(0, abi.FATTR_ATIME, abi.FATTR_ATIME_NOW, abi.SETATTR_IN_ATIME, abi.SETATTR_IN_ATIME_NS);
    set(16, abi.FATTR_MTIME, abi.FATTR_MTIME_NOW, abi.SETATTR_IN_MTIME, abi.SETATTR_IN_MTIME_NS);
    return this.#disks.setTimes(node.disk, times);
  }

  /** Result: the handle; 0 where none is needed. */
  #open(node: TreeNode, body: number): number {
    const flags = this.#view.getUint32(body + abi.OPEN_IN_FLAGS, true);
    const forWriting = (flags & O_ACCMODE) !== 0;
    if (node.kind === 'disk') {
      const opened = this.#disks.open(node.disk, forWriting, (flags & constants.O_TRUNC) !== 0);
      return opened === 0 && this.#pageCache ? this.#disks.look(node.disk) : opened;
    }
    if (node.kind === 'directory') return -ERRNO.EISDIR;
    if (forWriting && node.file.write === null) return -ERRNO.EACCES;
    return this.#handles.open(node.file.read());
  }

  #readDirectory(node: TreeNode, body: number, out: number): number {
    if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
    const after = getU64(this.#view, body + abi.IO_IN_OFFSET);
    const size = this.#view.getUint32(body + abi.IO_IN_SIZE, true);
    return writeDirectory(this.#view, this.#bytes, out, size, node as DirectoryNode, after);
  }

  #diskOnly(opcode: number, node: TreeNode, body: number): number {
    if (node.kind !== 'disk') return opcode === abi.FSYNC ? 0 : -ERRNO.EOPNOTSUPP;
    const view = this.#view;
    if (opcode === abi.FSYNC) {
      const flags = view.getUint32(body + abi.FSYNC_IN_FLAGS, true);
      const dataOnly = (flags & abi.FSYNC_DATASYNC) !== 0;
      return this.#disks.flush(node.disk, dataOnly, getU64(view, body));
    }
    if (opcode === abi.LSEEK) {
      const whence = view.getUint32(body + abi.LSEEK_IN_WHENCE, true);
      return this.#disks.seek(node.disk, getU64(view, body + abi.LSEEK_IN_OFFSET), whence);
    }
    return this.#disks.allocate(
      node.disk,
      view.getUint32(body + abi.FALLOCATE_IN_MODE, true),
      getU64(view, body + abi.FALLOCATE_IN_OFFSET),
      getU64(view, body + abi.FALLOCATE_IN_LENGTH),
    );
  }

  #entry(node: TreeNode, out: number): number {
    const view = this.#view;
    clear(view, out, abi.ENTRY_OUT_ATTR);
    setU64(view, out + abi.ENTRY_OUT_NODEID, node.id);
    // A name leads to the same node until the kernel itself removes it.
    setU64(view, out + abi.ENTRY_OUT_ENTRY_VALID, VALID_S);
    // What a disk's host file says is asked by GETATTR, not here.
    setU64(view, out + abi.ENTRY_OUT_ATTR_VALID, node.kind === 'disk' ? 0 : valid(node));
    this.#attributes.encode(view, out + abi.ENTRY_OUT_ATTR, node);
    return abi.ENTRY_OUT_BYTES;
  }

  /** Without the page cache every read and write comes to the daemon, several at a time. */
  #opened(node: TreeNode, handle: number, out: number): number {
    clear(this.#view, out, abi.OPEN_OUT_BYTES);
    setU64(this.#view, out + abi.OPEN_OUT_FH, node.kind === 'disk' ? this.#disks.opened() : handle);
    if (node.kind === 'control' || (node.kind === 'disk' && !this.#pageCache)) {
      const flags = abi.FOPEN_DIRECT_IO | abi.FOPEN_PARALLEL_DIRECT_WRITES;
      this.#view.setUint32(out + abi.OPEN_OUT_FLAGS, flags, true);
    }
    if (node.kind === 'disk' && this.#pageCache && handle === 1) {
      this.#view.setUint32(out + abi.OPEN_OUT_FLAGS, abi.FOPEN_KEEP_CACHE, true);
    }
    return abi.OPEN_OUT_BYTES;
  }

  /** Used is what the hosts have allocated; files are not counted, as none can be added. */
  #statfs(out: number): number {
    const view = this.#view;
    clear(view, out, abi.STATFS_BYTES);
    let bytes = 0;
    let used = 0;
    for (const node of this.#tree.root.children.values()) {
      if (node.kind !== 'disk') continue;
      const { size, allocated } = this.#disks.status(node.disk);
      bytes += size;
      used += Math.min(size, allocated);
    }
    setU64(view, out + abi.STATFS_BLOCKS, Math.ceil(bytes / 4096));
    const free = Math.floor((bytes - used) / 4096);
    setU64(view, out + abi.STATFS_BFREE, free);
    setU64(view, out + abi.STATFS_BAVAIL, free);
    view.setUint32(out + abi.STATFS_BSIZE, 4096, true);
    view.setUint32(out + abi.STATFS_FRSIZE, 4096, true);
    view.setUint32(out + abi.STATFS_NAMELEN, 255, true);
    return abi.STATFS_BYTES;
  }

  /** A name that ends in NUL, of at most `length` bytes. */
  #text(at: number, length: number): string {
    let end = at;
    while (end < at + length && this.#bytes[end] !== 0) end++;
    return new TextDecoder().decode(this.#bytes.subarray(at, end));
  }
}

/** Seconds for which the kernel need not ask again about a node. */
function valid(node: TreeNode): number {
  const changes = node.kind === 'control' || (node.kind === 'directory' && node.changes !== null);
  return changes ? 0 : VALID_S;
}
