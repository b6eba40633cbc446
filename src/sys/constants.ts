/** Numbers of Linux for open(2), fcntl(2), lseek(2) and fallocate(2) that node:fs does not name. */
export const O_ACCMODE = 3;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** Goes with O_RDWR, for a file without a name in a folder. Has the bit of O_DIRECTORY. */
export const O_TMPFILE = 0o20200000;

export const F_SETFL = 4;
export const F_DUPFD_CLOEXEC = 1030;

export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** FUSE passes on no other modes of fallocate(2). */
export const FALLOC_KEEP_SIZE = 0x01;
export const FALLOC_PUNCH_HOLE = 0x02;
export const FALLOC_ZERO_RANGE = 0x10;

/** Advice of madvise(2): the pages may go. */
export const MADV_DONTNEED = 4;

/** Flags of memfd_create(2). */
export const MFD_CLOEXEC = 1;

/** Flags of eventfd(2). */
export const EFD_CLOEXEC = 0o2000000;
export const EFD_NONBLOCK = 0o4000;

/** Descriptors of standard output and error. */
export const STDOUT = 1;
export const STDERR = 2;
