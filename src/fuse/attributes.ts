import type { DirectoryNode, TreeNode } from '../tree/tree.js';
import * as abi from './abi.js';
import type { DiskOperations } from './disk-operations.js';
import { clear, setU64 } from './wire.js';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** Who owns what the mount shows. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Writes struct fuse_attr for a node at `out`. */
export class AttributeEncoder {
  readonly #disks: DiskOperations;
  readonly #owner: Owner;
  readonly #startedMs = Date.now();

  constructor(disks: DiskOperations, owner: Owner) {
    this.#disks = disks;
    this.#owner = owner;
  }

  encode(view: DataView, out: number, node: TreeNode): void {
    clear(view, out, abi.ATTR_BYTES);
    setU64(view, out + abi.ATTR_INO, node.id);
    view.setUint32(out + abi.ATTR_UID, this.#owner.uid, true);
    view.setUint32(out + abi.ATTR_GID, this.#owner.gid, true);
    view.setUint32(out + abi.ATTR_BLKSIZE, 4096, true);
    if (node.kind === 'disk') this.#disk(view, out, node.disk);
    else if (node.kind === 'directory') this.#directory(view, out, node);
    else this.#common(view, out, S_IFREG | node.file.mode, 1, this.#startedMs);
  }

  #disk(view: DataView, out: number, disk: number): void {
    const status = this.#disks.status(disk);
    setU64(view, out + abi.ATTR_SIZE, status.size);
    setU64(view, out + abi.ATTR_BLOCKS, Math.ceil(status.allocated / 512));
    this.#common(view, out, S_IFREG | status.mode, 1, status.modifiedMs);
  }

  #directory(view: DataView, out: number, node: DirectoryNode): void {
    let links = 2;
    for (const child of node.children.values()) if (child.kind === 'directory') links++;
    this.#common(view, out, S_IFDIR | 0o755, links, this.#startedMs);
  }

  #common(view: DataView, out: number, mode: number, links: number, timeMs: number): void {
    view.setUint32(out + abi.ATTR_MODE, mode, true);
    view.setUint32(out + abi.ATTR_NLINK, links, true);
    const seconds = Math.floor(timeMs / 1000);
    const nanoseconds = Math.floor((timeMs - seconds * 1000) * 1e6);
    for (const field of [abi.ATTR_ATIME, abi.ATTR_MTIME, abi.ATTR_CTIME]) {
      setU64(view, out + field, seconds);
    }
    for (const field of [abi.ATTR_ATIME_NS, abi.ATTR_MTIME_NS, abi.ATTR_CTIME_NS]) {
      view.setUint32(out + field, nanoseconds, true);
    }
  }
}
