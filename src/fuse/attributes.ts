import type { HostTimes, Timespec } from '../host/host-times.js';
import type { DiskService, Owner } from '../plane/transport.js';
import type { DirectoryNode, Tree, TreeNode } from '../tree/tree.js';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const PERMISSIONS = 0o7777;

/**
 * st_blksize: the unit in which stdio and `cmp` read and write. With 4 KiB `cmp` makes 256 times the
 * requests of `cat`.
 */
const BEST_IO_BYTES = 256 << 10;

/** The attributes of a node as stat(2) shows them, except its ID. */
export interface NodeAttributes {
  mode: number;
  links: number;
  owner: Owner;
  size: number;
  /** Allocated blocks of 512 bytes. */
  blocks: number;
  /** st_blksize, bytes. */
  ioBytes: number;
  times: HostTimes;
}

/** The size of all disks and their free space as statfs(2) shows them, in blocks of 4096 bytes. */
export interface MountSpace {
  blocks: number;
  free: number;
}

/** The attributes that the mount shows of its nodes. */
export class Attributes {
  readonly #disks: DiskService;
  readonly #tree: Tree;
  readonly #owner: Owner;
  /** Times of groups and their files: those of the mount. */
  readonly #unchanging: HostTimes;

  /** @param owner Owner of all nodes except disks with an owner of their own. */
  constructor(disks: DiskService, tree: Tree, owner: Owner) {
    this.#disks = disks;
    this.#tree = tree;
    this.#owner = owner;
    const ms = Date.now();
    const now: Timespec = { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1e6 };
    this.#unchanging = { accessed: now, modified: now, changed: now };
  }

  of(node: TreeNode): NodeAttributes {
    if (node.kind === 'disk') return this.#ofDisk(node.disk);
    const isDirectory = node.kind === 'directory';
    return {
      mode: isDirectory ? S_IFDIR | 0o755 : S_IFREG | node.file.mode,
      links: isDirectory ? linksOf(node) : 1,
      owner: this.#owner,
      size: 0,
      blocks: 0,
      ioBytes: 4096,
      times: this.#unchanging,
    };
  }

  #ofDisk(disk: number): NodeAttributes {
    const { mode, owner, size, allocated, times } = this.#disks.status(disk);
    return {
      mode: S_IFREG | mode,
      links: 1,
      owner: owner ?? this.#owner,
      size,
      blocks: Math.ceil(allocated / 512),
      ioBytes: BEST_IO_BYTES,
      times,
    };
  }

  /**
   * True if a node has this mode and owner. They cannot be changed, but `cp -p` sets them whatever they are.
   * @param mode Null, like uid and gid: it is not to be set.
   */
  isOwnedSo(node: TreeNode, mode: number | null, uid: number | null, gid: number | null): boolean {
    const now = this.of(node);
    const has = (asked: number | null, value: number): boolean => asked === null || asked === value;
    const permissions = mode === null ? null : mode & PERMISSIONS;
    return (
      has(permissions, now.mode & PERMISSIONS) && has(uid, now.owner.uid) && has(gid, now.owner.gid)
    );
  }

  /** Space that the hosts have not allocated counts as free. */
  space(): MountSpace {
    let bytes = 0;
    let used = 0;
    for (const node of this.#tree.root.children.values()) {
      if (node.kind !== 'disk') continue;
      const { size, allocated, isPartition } = this.#disks.status(node.disk);
      if (isPartition) continue;
      bytes += size;
      used += Math.min(size, allocated);
    }
    return { blocks: Math.ceil(bytes / 4096), free: Math.floor((bytes - used) / 4096) };
  }
}

function linksOf(directory: DirectoryNode): number {
  let links = 2;
  for (const child of directory.children.values()) if (child.kind === 'directory') links++;
  return links;
}
