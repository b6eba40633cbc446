import { MAX_IO_BYTES, SLOT_ANSWER, slotOffset, timesOffset } from '../buffers/memory.js';
import type { TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { writeDirectory } from './directory.js';
import { negotiate } from './init.js';
import { type Begin, NO_REPLY, type Protocol } from './protocol.js';
import { getU64, setU64 } from './wire.js';

/** Bodies of requests. Each function reads one body and calls `Files` with its fields. */

// Values of the nanoseconds that replace a time.
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const TIMESPEC_BYTES = 16;

/** Place of reply data that comes from no disk. */
export function ownData({ requests }: Protocol, request: number): number {
  return slotOffset(requests.slot[request]!) + SLOT_ANSWER;
}

export const init: Begin = ({ view, agreed, more }, _request, _node, body, length) =>
  negotiate(view, body, length, agreed, more);

/** Nodes live as long as the mount shows them. */
export const forget: Begin = () => NO_REPLY;

export const interrupt: Begin = ({ view, disks }, _request, _node, body) => {
  const unique = body + abi.INTERRUPT_IN_UNIQUE;
  disks.interrupt(view.getUint32(unique, true), view.getUint32(unique + 4, true));
  return NO_REPLY;
};

/** The request only needs a reply. */
export const nothing: Begin = () => 0;

export const refuse: Begin = () => -ERRNO.EPERM;

export const lookup: Begin = (protocol, _request, node, body, length) =>
  protocol.files.lookup(node, text(protocol, body, length));

export const getAttributes: Begin = ({ files }, request, node) => files.refresh(request, node);

/** Size and times can be set, owner and mode cannot. The times that come with a size are ignored. */
export const setAttributes: Begin = (protocol, request, node, body) => {
  const { view, files } = protocol;
  const valid = view.getUint32(body + abi.SETATTR_IN_VALID, true);
  const asked = (flag: number, at: number): number | null =>
    (valid & flag) === 0 ? null : view.getUint32(body + at, true);
  const mode = asked(abi.FATTR_MODE, abi.SETATTR_IN_MODE);
  const uid = asked(abi.FATTR_UID, abi.SETATTR_IN_UID);
  const gid = asked(abi.FATTR_GID, abi.SETATTR_IN_GID);
  if (!protocol.attributes.isOwnedSo(node, mode, uid, gid)) return -ERRNO.EPERM;
  if ((valid & abi.FATTR_SIZE) !== 0) {
    return files.truncate(request, node, getU64(view, body + abi.SETATTR_IN_SIZE));
  }
  if ((valid & (abi.FATTR_ATIME | abi.FATTR_MTIME)) === 0) return 0;
  const times = timesOffset(request);
  const { FATTR_ATIME, FATTR_ATIME_NOW, FATTR_MTIME, FATTR_MTIME_NOW } = abi;
  const { SETATTR_IN_ATIME, SETATTR_IN_ATIME_NS, SETATTR_IN_MTIME, SETATTR_IN_MTIME_NS } = abi;
  const accessed = timeKind(valid, FATTR_ATIME, FATTR_ATIME_NOW);
  setTime(protocol, times, body + SETATTR_IN_ATIME, body + SETATTR_IN_ATIME_NS, accessed);
  const modified = timeKind(valid, FATTR_MTIME, FATTR_MTIME_NOW);
  const second = times + TIMESPEC_BYTES;
  setTime(protocol, second, body + SETATTR_IN_MTIME, body + SETATTR_IN_MTIME_NS, modified);
  const areNow = (valid & (abi.FATTR_ATIME_NOW | abi.FATTR_MTIME_NOW)) !== 0;
  return files.setTimes(request, node, areNow);
};

/** UTIME_OMIT, UTIME_NOW, or 0 for the time that the request gives. */
function timeKind(valid: number, chosen: number, now: number): number {
  if ((valid & chosen) === 0) return UTIME_OMIT;
  return (valid & now) === 0 ? 0 : UTIME_NOW;
}

/** Writes a struct timespec for futimens(2) at `to`. */
function setTime(
  { view, bytes }: Protocol,
  to: number,
  seconds: number,
  nanoseconds: number,
  kind: number,
): void {
  bytes.copyWithin(to, seconds, seconds + 8);
  setU64(view, to + 8, kind === 0 ? view.getUint32(nanoseconds, true) : kind);
}

export const makeDirectory: Begin = (protocol, _request, node, body, length) => {
  const name = text(protocol, body + abi.MKDIR_IN_BYTES, length - abi.MKDIR_IN_BYTES);
  return protocol.files.makeDirectory(node, name);
};

export const removeDirectory: Begin = (protocol, _request, node, body, length) =>
  protocol.files.removeDirectory(node, text(protocol, body, length));

export const open: Begin = ({ view, files }, request, node, body) =>
  files.open(request, node, view.getUint32(body + abi.OPEN_IN_FLAGS, true));

/** The kernel keeps to max_read. An answer that is longer has no place in a slot. */
export const read: Begin = (protocol, request, node, body) => {
  const { view, bytes, files } = protocol;
  const handle = getU64(view, body + abi.IO_IN_FH);
  const offset = getU64(view, body + abi.IO_IN_OFFSET);
  const size = view.getUint32(body + abi.IO_IN_SIZE, true);
  if (size > MAX_IO_BYTES) return -ERRNO.EIO;
  return files.read(request, node, handle, offset, size, bytes, ownData(protocol, request));
};

export const write: Begin = ({ view, bytes, files }, request, node, body, length) => {
  const size = view.getUint32(body + abi.IO_IN_SIZE, true);
  const data = body + abi.IO_IN_BYTES;
  if (size > length - abi.IO_IN_BYTES) return -ERRNO.EIO;
  if (node.kind === 'control') {
    const handle = getU64(view, body + abi.IO_IN_FH);
    return files.change(request, node, handle, bytes.subarray(data, data + size));
  }
  const fromCache = (view.getUint32(body + abi.WRITE_IN_FLAGS, true) & abi.WRITE_CACHE) !== 0;
  return files.write(request, node, getU64(view, body + abi.IO_IN_OFFSET), size, fromCache);
};

export const readDirectory: Begin = (protocol, request, node, body) => {
  if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
  const { view, bytes } = protocol;
  const after = getU64(view, body + abi.IO_IN_OFFSET);
  const size = view.getUint32(body + abi.IO_IN_SIZE, true);
  if (size > MAX_IO_BYTES) return -ERRNO.EIO;
  return writeDirectory(view, bytes, ownData(protocol, request), size, node, after);
};

export const space: Begin = ({ files }, request) => files.refreshAll(request);

/** The node is undefined where its group was removed while it was open. */
export const release = (
  { view, files }: Protocol,
  request: number,
  node: TreeNode | undefined,
  body: number,
): number => files.release(request, node, getU64(view, body + abi.RELEASE_IN_FH));

export const sync: Begin = ({ view, files }, request, node, body) => {
  const flags = view.getUint32(body + abi.FSYNC_IN_FLAGS, true);
  const handle = getU64(view, body + abi.FSYNC_IN_FH);
  return files.fsync(request, node, handle, (flags & abi.FSYNC_DATASYNC) !== 0);
};

export const allocate: Begin = ({ view, files }, request, node, body) =>
  files.allocate(
    request,
    node,
    view.getUint32(body + abi.FALLOCATE_IN_MODE, true),
    getU64(view, body + abi.FALLOCATE_IN_OFFSET),
    getU64(view, body + abi.FALLOCATE_IN_LENGTH),
  );

export const seek: Begin = ({ view, files }, request, node, body) => {
  const whence = view.getUint32(body + abi.LSEEK_IN_WHENCE, true);
  return files.seek(request, node, getU64(view, body + abi.LSEEK_IN_OFFSET), whence);
};

/** A name that ends in NUL, of at most `length` bytes. */
function text({ bytes }: Protocol, at: number, length: number): string {
  let end = at;
  while (end < at + length && bytes[end] !== 0) end++;
  return new TextDecoder().decode(bytes.subarray(at, end));
}
