import type { HostTimes, Timespec } from '../host/host-times.js';
import type { DirectoryNode, TreeNode } from '../tree/tree.js';
import * as abi from './abi.js';
import type { DiskOperations } from './disk-operations.js';
import { clear, setU64 } from './wire.js';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/**
 * st_blksize: what stdio and `cmp` read and write at once. With the 4 KiB of a
 * struct stat of no special kind, `cmp` makes 256 times the requests of `cat`.
 */
const BEST_IO_BYTES = 256 << 10;

/** Who owns what the mount shows. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Writes struct fuse_attr for a node at `out`. */
export class AttributeEncoder {
  readonly #disks: DiskOperations;
  readonly #owner: Owner;
  /** Of groups and their files: when the mount was made. */
  readonly #unchanging: HostTimes;

  constructor(disks: DiskOperations, owner: Owner) {
    this.#disks = disks;
    this.#owner = owner;
    const ms = Date.now();
    const now: Timespec = { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1e6 };
    this.#unchanging = { accessed: now, modified: now, changed: now };
  }

  encode(view: DataView, out: number, node: TreeNode): void {
    clear(view, out, abi.ATTR_BYTES);
    setU64(view, out + abi.ATTR_INO, node.id);
    view.setUint32(out + abi.ATTR_UID, this.#owner.uid, true);
    view.setUint32(out + abi.ATTR_GID, this.#owner.gid, true);
    view.setUint32(out + abi.ATTR_BLKSIZE, node.kind === 'disk' ? BEST_IO_BYTES : 4096, true);
    if (node.kind === 'disk') this.#disk(view, out, node.disk);
    else if (node.kind === 'directory') this.#directory(view, out, node);
    else this.#common(view, out, S_IFREG | node.file.mode, 1, this.#unchanging);
  }

  #disk(view: DataView, out: number, disk: number): void {
    const status = this.#disks.status(disk);
    const { uid, gid } = status.owner ?? this.#owner;
    view.setUint32(out + abi.ATTR_UID, uid, true);
    view.setUint32(out + abi.ATTR_GID, gid, true);
    setU64(view, out + abi.ATTR_SIZE, status.size);
    setU64(view, out + abi.ATTR_BLOCKS, Math.ceil(status.allocated / 512));
    this.#common(view, out, S_IFREG | status.mode, 1, status.times);
  }

  #directory(view: DataView, out: number, node: DirectoryNode): void {
    let links = 2;
    for (const child of node.children.values()) if (child.kind === 'directory') links++;
    this.#common(view, out, S_IFDIR | 0o755, links, this.#unchanging);
  }

  #common(view: DataView, out: number, mode: number, links: number, times: HostTimes): void {
    view.setUint32(out + abi.ATTR_MODE, mode, true);
    view.setUint32(out + abi.ATTR_NLINK, links, true);
    setU64(view, out + abi.ATTR_ATIME, times.accessed.seconds);
    setU64(view, out + abi.ATTR_MTIME, times.modified.seconds);
    setU64(view, out + abi.ATTR_CTIME, times.changed.seconds);
    view.setUint32(out + abi.ATTR_ATIME_NS, times.accessed.nanoseconds, true);
    view.setUint32(out + abi.ATTR_MTIME_NS, times.modified.nanoseconds, true);
    view.setUint32(out + abi.ATTR_CTIME_NS, times.changed.nanoseconds, true);
  }
}
