import type { DirectoryNode } from '../tree/tree.js';
import * as abi from './abi.js';
import { setU64 } from './wire.js';

/** Offsets of the two entries that every directory begins with; a child's is its id + this. */
const DOT = 1;
const DOT_DOT = 2;

/**
 * Writes struct fuse_dirent records from `out`, those behind the offset `after`, as many as fit in
 * `size` bytes. An entry's offset comes from its node id, which only grows, so a listing stays right
 * while entries come and go.
 * @returns Bytes written; 0 at the end.
 */
export function writeDirectory(
  view: DataView,
  bytes: Uint8Array,
  out: number,
  size: number,
  directory: DirectoryNode,
  after: number,
): number {
  let used = 0;
  const add = (name: string, id: number, offset: number, type: number): boolean => {
    if (offset <= after) return true;
    const encoded = new TextEncoder().encode(name);
    const length = (abi.DIRENT_NAME + encoded.length + 7) & ~7;
    if (used + length > size) return false;
    const at = out + used;
    bytes.fill(0, at, at + length);
    setU64(view, at + abi.DIRENT_INO, id);
    setU64(view, at + abi.DIRENT_OFF, offset);
    view.setUint32(at + abi.DIRENT_NAMELEN, encoded.length, true);
    view.setUint32(at + abi.DIRENT_TYPE, type, true);
    bytes.set(encoded, at + abi.DIRENT_NAME);
    used += length;
    return true;
  };
  if (!add('.', directory.id, DOT, abi.DT_DIR)) return used;
  if (!add('..', (directory.parent ?? directory).id, DOT_DOT, abi.DT_DIR)) return used;
  for (const child of directory.children.values()) {
    const type = child.kind === 'directory' ? abi.DT_DIR : abi.DT_REG;
    if (!add(child.name, child.id, child.id + DOT_DOT, type)) return used;
  }
  return used;
}
