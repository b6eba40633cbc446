/**
 * Numbers of the NBD protocol (doc/proto.md of the NBD project), fixed newstyle. All fields are
 * big-endian.
 */

/** The port of the protocol (IANA). */
export const NBD_PORT = 10809;

// The greeting: 8 bytes of text, 8 more, flags u16. The client answers with flags u32.
export const GREETING = 'NBDMAGICIHAVEOPT';
export const GREETING_BYTES = 18;
export const FLAG_FIXED_NEWSTYLE = 1 << 0;
export const FLAG_NO_ZEROES = 1 << 1;

// Options: text u64, option u32, length u32, data. Replies: magic u64, option u32, type u32, length u32.
export const OPTION_HEADER_BYTES = 16;
export const OPTION_REPLY_BYTES = 20;
export const OPTION_REPLY_MAGIC_HIGH = 0x0003e889;
export const OPTION_REPLY_MAGIC_LOW = 0x045565a9;

export const OPT_STARTTLS = 5;
export const OPT_GO = 7;
export const OPT_STRUCTURED_REPLY = 8;
export const OPT_SET_META_CONTEXT = 10;
export const OPT_EXTENDED_HEADERS = 11;

export const REP_ACK = 1;
export const REP_INFO = 3;
export const REP_META_CONTEXT = 4;
/** Replies from here on are errors. */
export const REP_ERROR = 0x80000000;
export const REP_ERR_UNSUP = 0x80000001;
export const REP_ERR_POLICY = 0x80000002;
export const REP_ERR_TLS_REQD = 0x80000005;
export const REP_ERR_UNKNOWN = 0x80000006;
export const REP_ERR_SHUTDOWN = 0x80000007;

export const INFO_EXPORT = 0;
export const INFO_BLOCK_SIZE = 3;

// What an export can do.
export const CAN_BE_READ_ONLY = 1 << 1;
export const CAN_FLUSH = 1 << 2;
export const CAN_FUA = 1 << 3;
export const CAN_WRITE_ZEROES = 1 << 6;
export const CAN_MULTI_CONN = 1 << 8;

// Requests: magic u32, flags u16, command u16, cookie u64, offset u64, length u32 (u64 if extended).
export const REQUEST_MAGIC = 0x25609513;
export const REQUEST_BYTES = 28;
export const EXTENDED_REQUEST_MAGIC = 0x21e41c71;
export const EXTENDED_REQUEST_BYTES = 32;

export const CMD_READ = 0;
export const CMD_WRITE = 1;
export const CMD_DISC = 2;
export const CMD_FLUSH = 3;
export const CMD_WRITE_ZEROES = 6;
export const CMD_BLOCK_STATUS = 7;

export const CMD_FLAG_FUA = 1 << 0;
/** WRITE_ZEROES must leave room allocated. */
export const CMD_FLAG_NO_HOLE = 1 << 1;
/** Of an extended request whose length is that of the payload behind it. */
export const CMD_FLAG_PAYLOAD_LEN = 1 << 5;

// Simple replies: magic u32, error u32, cookie u64.
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const SIMPLE_REPLY_BYTES = 16;
// Chunks: magic u32, flags u16, type u16, cookie u64, length u32; extended: then offset u64, length u64.
export const CHUNK_MAGIC = 0x668e33ef;
export const CHUNK_BYTES = 20;
export const EXTENDED_CHUNK_MAGIC = 0x6e8a278c;
export const EXTENDED_CHUNK_BYTES = 32;

export const CHUNK_FLAG_DONE = 1 << 0;

export const CHUNK_NONE = 0;
export const CHUNK_DATA = 1;
export const CHUNK_HOLE = 2;
export const CHUNK_STATUS = 5;
export const CHUNK_STATUS_EXT = 6;
/** Types from here on are errors. */
export const CHUNK_ERROR = 1 << 15;
export const CHUNK_ERROR_OFFSET = CHUNK_ERROR + 2;

/** The context of block status that tells of holes; the bit of a range that reads as zeros. */
export const ALLOCATION_CONTEXT = 'base:allocation';
export const STATE_ZERO = 1 << 1;

/** The error of a server that is shutting down: another server may do what is asked. */
export const NBD_ESHUTDOWN = 108;
