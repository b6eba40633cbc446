import type { TreeNode } from '../tree/tree.js';
import * as abi from './abi.js';
import type { NodeAttributes } from './attributes.js';
import { encodeInit } from './init.js';
import type { Encode, Protocol } from './protocol.js';
import { clear, setU64 } from './wire.js';

/** Payloads of replies. Each function writes one at `out` and returns its length in bytes. */

/**
 * Seconds for which the kernel may cache names and attributes of disks. Groups come and go and their
 * files change, so theirs may not be cached.
 */
const VALID_S = 1;

/**
 * Seconds for which the kernel may cache the attributes of a node. Those of a disk that is passed through
 * change without the daemon.
 */
function validSeconds({ backings }: Protocol, node: TreeNode): number {
  if (node.kind === 'disk') return backings.of(node.disk) === 0 ? VALID_S : 0;
  const changes = node.kind === 'control' || node.changes !== null;
  return changes ? 0 : VALID_S;
}

function writeAttributes(view: DataView, out: number, id: number, shown: NodeAttributes): void {
  const { owner, times } = shown;
  clear(view, out, abi.ATTR_BYTES);
  setU64(view, out + abi.ATTR_INO, id);
  setU64(view, out + abi.ATTR_SIZE, shown.size);
  setU64(view, out + abi.ATTR_BLOCKS, shown.blocks);
  setU64(view, out + abi.ATTR_ATIME, times.accessed.seconds);
  setU64(view, out + abi.ATTR_MTIME, times.modified.seconds);
  setU64(view, out + abi.ATTR_CTIME, times.changed.seconds);
  view.setUint32(out + abi.ATTR_ATIME_NS, times.accessed.nanoseconds, true);
  view.setUint32(out + abi.ATTR_MTIME_NS, times.modified.nanoseconds, true);
  view.setUint32(out + abi.ATTR_CTIME_NS, times.changed.nanoseconds, true);
  view.setUint32(out + abi.ATTR_MODE, shown.mode, true);
  view.setUint32(out + abi.ATTR_NLINK, shown.links, true);
  view.setUint32(out + abi.ATTR_UID, owner.uid, true);
  view.setUint32(out + abi.ATTR_GID, owner.gid, true);
  view.setUint32(out + abi.ATTR_BLKSIZE, shown.ioBytes, true);
}

/** struct fuse_attr_out of the node. */
export const attributes: Encode = (protocol, out, _result, node) => {
  const { attributes, view } = protocol;
  clear(view, out, abi.ATTR_OUT_ATTR);
  setU64(view, out + abi.ATTR_OUT_VALID, validSeconds(protocol, node));
  writeAttributes(view, out + abi.ATTR_OUT_ATTR, node.id, attributes.of(node));
  return abi.ATTR_OUT_BYTES;
};

/** struct fuse_entry_out of the node whose id is the result. */
export const entry: Encode = (protocol, out, result) => {
  const { attributes, tree, view } = protocol;
  const node = tree.node(result)!;
  clear(view, out, abi.ENTRY_OUT_ATTR);
  setU64(view, out + abi.ENTRY_OUT_NODEID, node.id);
  // A name leads to the same node until the kernel itself removes it.
  setU64(view, out + abi.ENTRY_OUT_ENTRY_VALID, VALID_S);
  // A disk was not refreshed: the kernel has to ask by GETATTR.
  setU64(
    view,
    out + abi.ENTRY_OUT_ATTR_VALID,
    node.kind === 'disk' ? 0 : validSeconds(protocol, node),
  );
  writeAttributes(view, out + abi.ENTRY_OUT_ATTR, node.id, attributes.of(node));
  return abi.ENTRY_OUT_BYTES;
};

/**
 * struct fuse_open_out. Without the page cache every read and write comes to the daemon, several at a
 * time. Of a disk that is passed through none comes: every open of it names its backing file, because
 * the kernel refuses (EIO) to mix.
 */
export const opened: Encode = (protocol, out, result, node, request) => {
  const { backings, pageCache, requests, view } = protocol;
  clear(view, out, abi.OPEN_OUT_BYTES);
  if (node.kind === 'directory') return abi.OPEN_OUT_BYTES;
  setU64(view, out + abi.OPEN_OUT_FH, requests.handle[request]!);
  const backing = node.kind === 'disk' ? backings.of(node.disk) : 0;
  if (backing !== 0) {
    view.setUint32(out + abi.OPEN_OUT_FLAGS, abi.FOPEN_PASSTHROUGH, true);
    view.setUint32(out + abi.OPEN_OUT_BACKING_ID, backing, true);
    return abi.OPEN_OUT_BYTES;
  }
  const isDirect = node.kind === 'control' || !pageCache;
  const keeps = result === 1 ? abi.FOPEN_KEEP_CACHE : 0;
  const flags = isDirect ? abi.FOPEN_DIRECT_IO | abi.FOPEN_PARALLEL_DIRECT_WRITES : keeps;
  view.setUint32(out + abi.OPEN_OUT_FLAGS, flags, true);
  return abi.OPEN_OUT_BYTES;
};

/** struct fuse_write_out. */
export const written: Encode = ({ view }, out, result) => {
  view.setUint32(out + abi.WRITE_OUT_SIZE, result, true);
  view.setUint32(out + 4, 0, true);
  return abi.WRITE_OUT_BYTES;
};

/** struct fuse_lseek_out. */
export const found: Encode = ({ view }, out, result) => {
  setU64(view, out + abi.LSEEK_OUT_OFFSET, result);
  return abi.LSEEK_OUT_BYTES;
};

/** struct fuse_kstatfs. The counts of files are 0: callers can add none. */
export const space: Encode = ({ attributes, view }, out) => {
  const { blocks, free } = attributes.space();
  clear(view, out, abi.STATFS_BYTES);
  setU64(view, out + abi.STATFS_BLOCKS, blocks);
  setU64(view, out + abi.STATFS_BFREE, free);
  setU64(view, out + abi.STATFS_BAVAIL, free);
  view.setUint32(out + abi.STATFS_BSIZE, 4096, true);
  view.setUint32(out + abi.STATFS_FRSIZE, 4096, true);
  view.setUint32(out + abi.STATFS_NAMELEN, 255, true);
  return abi.STATFS_BYTES;
};

/** struct fuse_init_out. */
export const initialised: Encode = ({ agreed, maxBackground, view }, out) => {
  const isOverRing = (agreed.flags2 & abi.OVER_IO_URING) !== 0;
  return encodeInit(view, out, agreed, isOverRing ? maxBackground : undefined);
};
