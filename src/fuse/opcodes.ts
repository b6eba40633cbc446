import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import * as decode from './decode.js';
import * as encode from './encode.js';
import type { Begin, Encode } from './protocol.js';

/** One kind of request. */
export interface Opcode {
  readonly name: string;
  /** Fewest bytes behind the header; shorter requests are refused before a field is read. */
  readonly minBytes: number;
  readonly begin: Begin;
  /** Writes the payload of a reply that is no error; null: there is none, or it is data. */
  readonly encode: Encode | null;
  /** The result is a number of bytes of data, which is the payload. */
  readonly hasData: boolean;
  /**
   * When it must not be carried out twice: it changes what is open or which groups there are; or it tells of a loss, of
   * which the host tells once.
   */
  readonly once: 'never' | 'always' | 'of control files' | 'if it fails';
  /** -errno where the node is gone; 0: `begin` is called all the same. */
  readonly gone: number;
}

const LONGEST_OPCODE = 64;
/** `gone` of requests that are about no node, or work without it. */
const ANY_NODE = { gone: 0 };
const FROM_OPEN = { gone: -ERRNO.ENODEV };
const DATA = { hasData: true };
const ONCE = { once: 'always' } as const;
const FAILS_ONCE = { once: 'if it fails' } as const;
const CONTROL_ONCE = { once: 'of control files' } as const;

type Options = Partial<Pick<Opcode, 'hasData' | 'gone' | 'once'>>;
type Row = [
  opcode: number,
  name: string,
  minBytes: number,
  begin: Begin,
  encode: Encode | null,
  options?: Options,
];

const ROWS: readonly Row[] = [
  [abi.INIT, 'INIT', abi.INIT_IN_MIN_BYTES, decode.init, encode.initialised, ANY_NODE],
  [abi.DESTROY, 'DESTROY', 0, decode.nothing, null, ANY_NODE],
  [abi.INTERRUPT, 'INTERRUPT', abi.INTERRUPT_IN_BYTES, decode.interrupt, null, ANY_NODE],
  [abi.FORGET, 'FORGET', abi.FORGET_IN_BYTES, decode.forget, null, ANY_NODE],
  [abi.BATCH_FORGET, 'BATCH_FORGET', 8, decode.forget, null, ANY_NODE],

  [abi.LOOKUP, 'LOOKUP', 2, decode.lookup, encode.entry],
  [abi.GETATTR, 'GETATTR', abi.GETATTR_IN_BYTES, decode.getAttributes, encode.attributes],
  [abi.SETATTR, 'SETATTR', abi.SETATTR_IN_BYTES, decode.setAttributes, encode.attributes],
  [abi.ACCESS, 'ACCESS', abi.ACCESS_IN_BYTES, decode.nothing, null],
  [abi.STATFS, 'STATFS', 0, decode.space, encode.space],

  [abi.OPENDIR, 'OPENDIR', abi.OPEN_IN_BYTES, decode.nothing, encode.opened],
  [abi.READDIR, 'READDIR', abi.IO_IN_BYTES, decode.readDirectory, null, DATA],
  [abi.FSYNCDIR, 'FSYNCDIR', abi.FSYNC_IN_BYTES, decode.nothing, null],
  [abi.RELEASEDIR, 'RELEASEDIR', abi.RELEASE_IN_BYTES, decode.nothing, null, ANY_NODE],

  [abi.OPEN, 'OPEN', abi.OPEN_IN_BYTES, decode.open, encode.opened, ONCE],
  [abi.READ, 'READ', abi.IO_IN_BYTES, decode.read, null, { ...DATA, ...FROM_OPEN }],
  [
    abi.WRITE,
    'WRITE',
    abi.IO_IN_BYTES,
    decode.write,
    encode.written,
    { ...FROM_OPEN, ...CONTROL_ONCE },
  ],
  [abi.FLUSH, 'FLUSH', abi.FLUSH_IN_BYTES, decode.nothing, null, ANY_NODE],
  [abi.FSYNC, 'FSYNC', abi.FSYNC_IN_BYTES, decode.sync, null, FAILS_ONCE],
  [abi.FALLOCATE, 'FALLOCATE', abi.FALLOCATE_IN_BYTES, decode.allocate, null],
  [abi.LSEEK, 'LSEEK', abi.LSEEK_IN_BYTES, decode.seek, encode.found],
  [abi.RELEASE, 'RELEASE', abi.RELEASE_IN_BYTES, decode.release, null, { ...ANY_NODE, ...ONCE }],

  // Groups are made and removed by MKDIR and RMDIR. Callers can make or remove no file.
  [abi.MKDIR, 'MKDIR', abi.MKDIR_IN_BYTES + 2, decode.makeDirectory, encode.entry, ONCE],
  [abi.RMDIR, 'RMDIR', 2, decode.removeDirectory, null, ONCE],
  [abi.SYMLINK, 'SYMLINK', 0, decode.refuse, null, ANY_NODE],
  [abi.MKNOD, 'MKNOD', 0, decode.refuse, null, ANY_NODE],
  [abi.UNLINK, 'UNLINK', 0, decode.refuse, null, ANY_NODE],
  [abi.RENAME, 'RENAME', 0, decode.refuse, null, ANY_NODE],
  [abi.LINK, 'LINK', 0, decode.refuse, null, ANY_NODE],
  [abi.CREATE, 'CREATE', 0, decode.refuse, null, ANY_NODE],
  [abi.RENAME2, 'RENAME2', 0, decode.refuse, null, ANY_NODE],
  [abi.TMPFILE, 'TMPFILE', 0, decode.refuse, null, ANY_NODE],
];

/** Rows by opcode. The reply to any other opcode is ENOSYS, so that the kernel does not send it again. */
export const OPCODES: readonly (Opcode | undefined)[] = (() => {
  const table: (Opcode | undefined)[] = new Array(LONGEST_OPCODE).fill(undefined);
  for (const [opcode, name, minBytes, begin, encode, options] of ROWS) {
    const { hasData = false, once = 'never', gone = -ERRNO.ESTALE } = options ?? {};
    table[opcode] = { name, minBytes, begin, encode, hasData, once, gone };
  }
  return table;
})();
