// Numbers of the VMDK format. Sources: VMware, Virtual Disk Format 1.1 and 5.0 (technical notes); for
// extents of the type SESPARSE, which VMware does not document, block/vmdk.c of QEMU. All are
// little-endian, and offsets in a file are sectors.

/** Of every kind of extent. */
export const VMDK_SECTOR_BYTES = 512;

// Hosted sparse extent: its header takes a sector.
export const HOSTED_MAGIC = 0x564d444b;
export const HOSTED_VERSION = 4;
export const HOSTED_FLAGS = 8;
export const HOSTED_CAPACITY = 12;
export const HOSTED_GRAIN = 20;
export const HOSTED_DESCRIPTOR = 28;
export const HOSTED_DESCRIPTOR_SECTORS = 36;
export const HOSTED_TABLE_ENTRIES = 44;
export const HOSTED_REDUNDANT = 48;
export const HOSTED_DIRECTORY = 56;
export const HOSTED_OVERHEAD = 64;
export const HOSTED_UNCLEAN = 72;
export const HOSTED_LINE_ENDS = 73;
export const HOSTED_COMPRESSION = 77;

/** The bytes of the four line ends: a transfer as text would have changed them. */
export const LINE_ENDS = '\n \r\n';
/** The line ends are there. */
export const FLAG_LINE_ENDS = 1 << 0;
/** A grain table entry of 1 stands for zeros. */
export const FLAG_ZERO_GRAINS = 1 << 2;
export const FLAG_COMPRESSED = 1 << 16;
/** Each compressed grain has a marker, and so has each table. */
export const FLAG_MARKERS = 1 << 17;
/** Who does not know one of these flags must not read the extent. */
export const FLAGS_INCOMPATIBLE = 0xffff0000;

export const HOSTED_VERSION_MAX = 3;
export const HOSTED_TABLE_ENTRIES_MAX = 512;
/** In place of an offset of the directory, both words: the footer has it. */
export const DIRECTORY_AT_END = 0xffffffff;
export const DEFLATE = 1;

/** Before a compressed grain: its first sector on the disk (64 bits), the bytes that follow (32). */
export const GRAIN_MARKER_BYTES = 12;
export const MARKER_SIZE = 8;
export const MARKER_TYPE = 12;
export const MARKER_END = 0;
export const MARKER_FOOTER = 3;
export const ZERO_GRAIN = 1;

// Sparse extent of VMFS.
export const COWD_MAGIC = 0x44574f43;
export const COWD_VERSION = 4;
export const COWD_CAPACITY = 12;
export const COWD_GRAIN = 16;
export const COWD_DIRECTORY = 20;
export const COWD_DIRECTORY_ENTRIES = 24;
export const COWD_TABLE_ENTRIES = 4096;

// Space-efficient sparse extent.
export const SE_MAGIC = 0xcafebabe;
export const SE_VERSION = 8;
export const SE_VERSION_MINOR = 1;
export const SE_VERSION_MAJOR = 2;
export const SE_CAPACITY = 16;
export const SE_GRAIN = 24;
export const SE_TABLE = 32;
/** Flags, then four reserved numbers. */
export const SE_FLAGS = 40;
export const SE_VOLATILE = 80;
export const SE_DIRECTORY = 128;
export const SE_DIRECTORY_SECTORS = 136;
export const SE_TABLES = 144;
export const SE_GRAINS = 192;
export const SE_PADDING = 208;
export const SE_VOLATILE_MAGIC = 0xcafecafe;
export const SE_REPLAY_JOURNAL = 24;
/** The only sizes that are known, sectors. */
export const SE_GRAIN_SECTORS = 8;
export const SE_TABLE_SECTORS = 64;
/** High word of an entry of the directory that has a table. */
export const SE_HAS_TABLE = 0x10000000;
/** Type of an entry of a table, its highest four bits. */
export const SE_NONE = 0;
export const SE_UNMAPPED = 1;
export const SE_ZERO = 2;
export const SE_ALLOCATED = 3;
