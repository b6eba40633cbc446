/**
 * The FUSE kernel protocol, version 7.45 and before: numbers and offsets, nothing else. Structures
 * are little-endian; offsets are bytes from the start of the structure. NAME_BYTES is its size.
 */

export const FUSE_MAJOR = 7;
/** The newest minor version whose structures are below. */
export const FUSE_MINOR = 45;
/** The oldest kernel protocol we speak: 7.28 (Linux 4.20) brought FUSE_MAX_PAGES. */
export const FUSE_MINOR_MIN = 28;
export const ROOT_ID = 1;

// struct fuse_in_header: before every request.
export const IN_LEN = 0;
export const IN_OPCODE = 4;
export const IN_UNIQUE = 8;
export const IN_NODEID = 16;
export const IN_UID = 24;
export const IN_GID = 28;
export const IN_PID = 32;
export const IN_HEADER_BYTES = 40;

// struct fuse_out_header: before every reply.
export const OUT_LEN = 0;
export const OUT_ERROR = 4;
export const OUT_UNIQUE = 8;
/** Bit of the upper half of a request's ID: it has been sent before, to this process or to another one. */
export const RESENT_HIGH = 0x8000_0000;
export const OUT_HEADER_BYTES = 16;

// Opcodes.
export const LOOKUP = 1;
export const FORGET = 2;
export const GETATTR = 3;
export const SETATTR = 4;
export const SYMLINK = 6;
export const MKNOD = 8;
export const MKDIR = 9;
export const UNLINK = 10;
export const RMDIR = 11;
export const RENAME = 12;
export const LINK = 13;
export const OPEN = 14;
export const READ = 15;
export const WRITE = 16;
export const STATFS = 17;
export const RELEASE = 18;
export const FSYNC = 20;
export const FLUSH = 25;
export const INIT = 26;
export const OPENDIR = 27;
export const READDIR = 28;
export const RELEASEDIR = 29;
export const FSYNCDIR = 30;
export const ACCESS = 34;
export const CREATE = 35;
export const INTERRUPT = 36;
export const DESTROY = 38;
export const BATCH_FORGET = 42;
export const FALLOCATE = 43;
export const RENAME2 = 45;
export const LSEEK = 46;
export const TMPFILE = 51;

// struct fuse_init_in (64 bytes; 16 before 7.36).
export const INIT_IN_MAJOR = 0;
export const INIT_IN_MINOR = 4;
export const INIT_IN_MAX_READAHEAD = 8;
export const INIT_IN_FLAGS = 12;
export const INIT_IN_FLAGS2 = 16;
export const INIT_IN_MIN_BYTES = 16;
export const INIT_IN_EXT_BYTES = 20;

// struct fuse_init_out.
export const INIT_OUT_MAJOR = 0;
export const INIT_OUT_MINOR = 4;
export const INIT_OUT_MAX_READAHEAD = 8;
export const INIT_OUT_FLAGS = 12;
export const INIT_OUT_MAX_BACKGROUND = 16;
export const INIT_OUT_CONGESTION = 18;
export const INIT_OUT_MAX_WRITE = 20;
export const INIT_OUT_TIME_GRAN = 24;
export const INIT_OUT_MAX_PAGES = 28;
export const INIT_OUT_FLAGS2 = 32;
export const INIT_OUT_STACK_DEPTH = 36;
export const INIT_OUT_BYTES = 64;

// INIT flags, first word.
export const ASYNC_READ = 1 << 0;
export const ATOMIC_O_TRUNC = 1 << 3;
export const BIG_WRITES = 1 << 5;
export const ASYNC_DIO = 1 << 15;
export const PARALLEL_DIROPS = 1 << 18;
export const ABORT_ERROR = 1 << 21;
export const MAX_PAGES = 1 << 22;
export const INIT_EXT = 1 << 30;
// INIT flags, second word (protocol bit minus 32).
export const DIRECT_IO_ALLOW_MMAP = 1 << 4;
export const PASSTHROUGH = 1 << 5;
export const OVER_IO_URING = 1 << 9;

// FUSE over io_uring: codes of commands, and where the fields of struct fuse_uring_cmd_req are.
export const URING_REGISTER = 1;
export const URING_COMMIT_AND_FETCH = 2;
// struct fuse_uring_req_header: header of request or reply, first argument, struct fuse_uring_ent_in_out.
export const URING_IN_OUT = 0;
export const URING_OP_IN = 128;
export const URING_COMMIT_ID = 264;
export const URING_PAYLOAD_BYTES = 272;
export const URING_HEADER_BYTES = 288;

// struct fuse_attr.
export const ATTR_INO = 0;
export const ATTR_SIZE = 8;
export const ATTR_BLOCKS = 16;
export const ATTR_ATIME = 24;
export const ATTR_MTIME = 32;
export const ATTR_CTIME = 40;
export const ATTR_ATIME_NS = 48;
export const ATTR_MTIME_NS = 52;
export const ATTR_CTIME_NS = 56;
export const ATTR_MODE = 60;
export const ATTR_NLINK = 64;
export const ATTR_UID = 68;
export const ATTR_GID = 72;
export const ATTR_BLKSIZE = 80;
export const ATTR_BYTES = 88;

// struct fuse_attr_out.
export const ATTR_OUT_VALID = 0;
export const ATTR_OUT_ATTR = 16;
export const ATTR_OUT_BYTES = 104;

// struct fuse_entry_out.
export const ENTRY_OUT_NODEID = 0;
export const ENTRY_OUT_ENTRY_VALID = 16;
export const ENTRY_OUT_ATTR_VALID = 24;
export const ENTRY_OUT_ATTR = 40;
export const ENTRY_OUT_BYTES = 128;

// struct fuse_getattr_in.
export const GETATTR_IN_BYTES = 16;

// struct fuse_setattr_in.
export const SETATTR_IN_VALID = 0;
export const SETATTR_IN_SIZE = 16;
export const SETATTR_IN_ATIME = 32;
export const SETATTR_IN_MTIME = 40;
export const SETATTR_IN_ATIME_NS = 56;
export const SETATTR_IN_MTIME_NS = 60;
export const SETATTR_IN_MODE = 68;
export const SETATTR_IN_UID = 76;
export const SETATTR_IN_GID = 80;
export const SETATTR_IN_BYTES = 88;
export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;

// struct fuse_mkdir_in: the name follows.
export const MKDIR_IN_BYTES = 8;

// struct fuse_open_in and fuse_open_out.
export const OPEN_IN_FLAGS = 0;
export const OPEN_IN_BYTES = 8;
export const OPEN_OUT_FH = 0;
export const OPEN_OUT_FLAGS = 8;
export const OPEN_OUT_BACKING_ID = 12;
export const OPEN_OUT_BYTES = 16;
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;
export const FOPEN_PASSTHROUGH = 1 << 7;

// struct fuse_backing_map, for ioctl(2) of /dev/fuse. BACKING_OPEN returns an ID above 0; BACKING_CLOSE
// takes a pointer to an ID, u32.
export const BACKING_OPEN = 0x4010e501;
export const BACKING_CLOSE = 0x4004e502;
export const BACKING_MAP_FD = 0;
export const BACKING_MAP_BYTES = 16;

// struct fuse_read_in and fuse_write_in: alike but for the word at 20.
export const IO_IN_FH = 0;
export const IO_IN_OFFSET = 8;
export const IO_IN_SIZE = 16;
export const IO_IN_BYTES = 40;
export const WRITE_IN_FLAGS = 20;
/** The write comes from the page cache: a mapped page, not a caller that waits. */
export const WRITE_CACHE = 1 << 0;

// struct fuse_write_out.
export const WRITE_OUT_SIZE = 0;
export const WRITE_OUT_BYTES = 8;

// struct fuse_release_in, fuse_flush_in, fuse_fsync_in.
export const RELEASE_IN_FH = 0;
export const RELEASE_IN_BYTES = 24;
export const FLUSH_IN_BYTES = 24;
export const FSYNC_IN_FH = 0;
export const FSYNC_IN_FLAGS = 8;
export const FSYNC_IN_BYTES = 16;
export const FSYNC_DATASYNC = 1 << 0;

// struct fuse_fallocate_in.
export const FALLOCATE_IN_OFFSET = 8;
export const FALLOCATE_IN_LENGTH = 16;
export const FALLOCATE_IN_MODE = 24;
export const FALLOCATE_IN_BYTES = 32;

// struct fuse_lseek_in and fuse_lseek_out.
export const LSEEK_IN_OFFSET = 8;
export const LSEEK_IN_WHENCE = 16;
export const LSEEK_IN_BYTES = 24;
export const LSEEK_OUT_OFFSET = 0;
export const LSEEK_OUT_BYTES = 8;

// struct fuse_interrupt_in.
export const INTERRUPT_IN_UNIQUE = 0;
export const INTERRUPT_IN_BYTES = 8;

// struct fuse_kstatfs.
export const STATFS_BLOCKS = 0;
export const STATFS_BFREE = 8;
export const STATFS_BAVAIL = 16;
export const STATFS_BSIZE = 40;
export const STATFS_NAMELEN = 44;
export const STATFS_FRSIZE = 48;
export const STATFS_BYTES = 80;

// struct fuse_dirent: the name follows, padded to 8.
export const DIRENT_INO = 0;
export const DIRENT_OFF = 8;
export const DIRENT_NAMELEN = 16;
export const DIRENT_TYPE = 20;
export const DIRENT_NAME = 24;
export const DT_DIR = 4;
export const DT_REG = 8;

export const FORGET_IN_BYTES = 8;
export const ACCESS_IN_BYTES = 8;

// Behind a struct fuse_out_header whose `unique` is 0 and whose `error` is the code of the notification: struct
// fuse_notify_inval_inode_out, and fuse_notify_inval_entry_out.
export const NOTIFY_RESEND = 7;
export const NOTIFY_INVAL_INODE = 2;
export const NOTIFY_INODE_OFFSET = 8;
export const NOTIFY_INODE_BYTES = 24;
export const NOTIFY_INVAL_ENTRY = 3;
export const NOTIFY_ENTRY_NAMELEN = 8;
export const NOTIFY_ENTRY_NAME = 16;
