import type { HostTimes, Timespec } from '../host/host-times.js';
import type { DiskService, Owner } from '../plane/transport.js';
import type { DirectoryNode, Tree, TreeNode } from '../tree/tree.js';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/**
 * st_blksize: what stdio and `cmp` read and write at once. With the 4 KiB of a
 * struct stat of no special kind, `cmp` makes 256 times the requests of `cat`.
 */
const BEST_IO_BYTES = 256 << 10;

/** What stat(2) says of a node, but for its id. */
export interface NodeAttributes {
  mode: number;
  links: number;
  owner: Owner;
  size: number;
  /** Of 512 bytes. */
  blocks: number;
  /** st_blksize, bytes. */
  ioBytes: number;
  times: HostTimes;
}

/** What statfs(2) says of the mount, in blocks of 4096 bytes. */
export interface MountSpace {
  blocks: number;
  free: number;
}

/** Finds out what is shown of nodes. */
export class Attributes {
  readonly #disks: DiskService;
  readonly #tree: Tree;
  readonly #owner: Owner;
  /** Of groups and their files: when the mount was made. */
  readonly #unchanging: HostTimes;

  /** @param owner Whose all is that no other owner was asked for. */
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

  /** Used is what the hosts have allocated. */
  space(): MountSpace {
    let bytes = 0;
    let used = 0;
    for (const node of this.#tree.root.children.values()) {
      if (node.kind !== 'disk') continue;
      const { size, allocated } = this.#disks.status(node.disk);
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
