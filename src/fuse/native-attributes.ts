import type { Timespec } from '../host/host-times.js';
import type { MountSpace, NodeAttributes } from './attributes.js';

/** Input of fuse-native for a struct stat. */
interface NativeStat {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  nlink: number;
  ino: number;
  blksize: number;
  blocks: number;
  /** Milliseconds. */
  atime: number;
  mtime: number;
  ctime: number;
}

/** @param id The node's. */
export function nativeStat(id: number, shown: NodeAttributes): NativeStat {
  const { mode, owner, size, links, ioBytes, blocks, times } = shown;
  return {
    mode,
    ...owner,
    size,
    nlink: links,
    ino: id,
    blksize: ioBytes,
    blocks,
    atime: milliseconds(times.accessed),
    mtime: milliseconds(times.modified),
    ctime: milliseconds(times.changed),
  };
}

function milliseconds({ seconds, nanoseconds }: Timespec): number {
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/** Input of fuse-native for a struct statvfs. */
export function nativeStatfs({ blocks, free }: MountSpace): Record<string, number> {
  const counts = { blocks, bfree: free, bavail: free, files: 0, ffree: 0 };
  return { ...counts, bsize: 4096, frsize: 4096, namemax: 255 };
}
