import * as abi from './abi.js';
import { getU64 } from './wire.js';

/** What fuse-native makes a struct stat of. */
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

/** Reads struct fuse_attr at `at`. */
export function readAttributes(view: DataView, at: number): NativeStat {
  const word = (offset: number): number => view.getUint32(at + offset, true);
  const time = (seconds: number, nanoseconds: number): number =>
    getU64(view, at + seconds) * 1000 + Math.floor(word(nanoseconds) / 1e6);
  return {
    mode: word(abi.ATTR_MODE),
    uid: word(abi.ATTR_UID),
    gid: word(abi.ATTR_GID),
    size: getU64(view, at + abi.ATTR_SIZE),
    nlink: word(abi.ATTR_NLINK),
    ino: word(abi.ATTR_INO),
    blksize: word(abi.ATTR_BLKSIZE),
    blocks: getU64(view, at + abi.ATTR_BLOCKS),
    atime: time(abi.ATTR_ATIME, abi.ATTR_ATIME_NS),
    mtime: time(abi.ATTR_MTIME, abi.ATTR_MTIME_NS),
    ctime: time(abi.ATTR_CTIME, abi.ATTR_CTIME_NS),
  };
}

/** Reads struct fuse_kstatfs at `at`. */
export function readStatfs(view: DataView, at: number): Record<string, number> {
  return {
    blocks: getU64(view, at + abi.STATFS_BLOCKS),
    bfree: getU64(view, at + abi.STATFS_BFREE),
    bavail: getU64(view, at + abi.STATFS_BAVAIL),
    files: getU64(view, at + abi.STATFS_FILES),
    ffree: getU64(view, at + abi.STATFS_FFREE),
    bsize: view.getUint32(at + abi.STATFS_BSIZE, true),
    frsize: view.getUint32(at + abi.STATFS_FRSIZE, true),
    namemax: view.getUint32(at + abi.STATFS_NAMELEN, true),
  };
}
