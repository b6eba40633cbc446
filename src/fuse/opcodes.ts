import * as abi from './abi.js';

/** One row for each request we answer with more than an error; rows are found by opcode. */
export interface OpcodeRow {
  readonly name: string;
  /** Fewest bytes behind the header; shorter requests are refused before a field is read. */
  readonly minBytes: number;
}

const LONGEST_OPCODE = 64;

function table(rows: readonly [number, string, number][]): readonly (OpcodeRow | undefined)[] {
  const list: (OpcodeRow | undefined)[] = new Array(LONGEST_OPCODE).fill(undefined);
  for (const [opcode, name, minBytes] of rows) list[opcode] = { name, minBytes };
  return list;
}

/** Name and length of every request that is handled. */
export const OPCODES = table([
  [abi.LOOKUP, 'LOOKUP', 2],
  [abi.FORGET, 'FORGET', abi.FORGET_IN_BYTES],
  [abi.GETATTR, 'GETATTR', abi.GETATTR_IN_BYTES],
  [abi.SETATTR, 'SETATTR', abi.SETATTR_IN_BYTES],
  [abi.MKDIR, 'MKDIR', abi.MKDIR_IN_BYTES + 2],
  [abi.RMDIR, 'RMDIR', 2],
  [abi.OPEN, 'OPEN', abi.OPEN_IN_BYTES],
  [abi.READ, 'READ', abi.IO_IN_BYTES],
  [abi.WRITE, 'WRITE', abi.IO_IN_BYTES],
  [abi.STATFS, 'STATFS', 0],
  [abi.RELEASE, 'RELEASE', abi.RELEASE_IN_BYTES],
  [abi.FSYNC, 'FSYNC', abi.FSYNC_IN_BYTES],
  [abi.FLUSH, 'FLUSH', abi.FLUSH_IN_BYTES],
  [abi.INIT, 'INIT', abi.INIT_IN_MIN_BYTES],
  [abi.OPENDIR, 'OPENDIR', abi.OPEN_IN_BYTES],
  [abi.READDIR, 'READDIR', abi.IO_IN_BYTES],
  [abi.RELEASEDIR, 'RELEASEDIR', abi.RELEASE_IN_BYTES],
  [abi.FSYNCDIR, 'FSYNCDIR', abi.FSYNC_IN_BYTES],
  [abi.ACCESS, 'ACCESS', abi.ACCESS_IN_BYTES],
  [abi.INTERRUPT, 'INTERRUPT', abi.INTERRUPT_IN_BYTES],
  [abi.DESTROY, 'DESTROY', 0],
  [abi.BATCH_FORGET, 'BATCH_FORGET', 8],
  [abi.FALLOCATE, 'FALLOCATE', abi.FALLOCATE_IN_BYTES],
  [abi.LSEEK, 'LSEEK', abi.LSEEK_IN_BYTES],
]);

/**
 * Requests that change which files there are. Groups come and go by MKDIR and RMDIR; files are the
 * mount's to decide, so the caller hears EPERM. ENOSYS, the answer to all others that we do not know,
 * tells the kernel never to ask again.
 */
export const FORBIDDEN: ReadonlySet<number> = new Set([
  6, // SYMLINK
  8, // MKNOD
  10, // UNLINK
  12, // RENAME
  13, // LINK
  35, // CREATE
  45, // RENAME2
  51, // TMPFILE
]);
