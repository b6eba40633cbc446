// The qcow2 file format, docs/interop/qcow2.rst of QEMU. All fields are big-endian.

// Header, versions 2 and 3.
export const MAGIC = 0x514649fb; // 'Q' 'F' 'I' 0xfb
export const HEADER_VERSION = 4;
export const HEADER_BACKING_OFFSET = 8;
export const HEADER_BACKING_BYTES = 16;
export const HEADER_CLUSTER_BITS = 20;
export const HEADER_SIZE = 24;
export const HEADER_CRYPT_METHOD = 32;
export const HEADER_L1_ENTRIES = 36;
export const HEADER_L1_OFFSET = 40;
export const HEADER_REFCOUNT_TABLE_OFFSET = 48;
export const HEADER_REFCOUNT_TABLE_CLUSTERS = 56;
export const HEADER_SNAPSHOT_COUNT = 60;
export const HEADER_SNAPSHOTS_OFFSET = 64;
export const HEADER_V2_BYTES = 72;
// Version 3 only.
export const HEADER_INCOMPATIBLE = 72;
export const HEADER_COMPATIBLE = 80;
export const HEADER_AUTOCLEAR = 88;
export const HEADER_REFCOUNT_ORDER = 96;
export const HEADER_LENGTH = 100;
export const HEADER_V3_BYTES = 104;
export const HEADER_COMPRESSION_TYPE = 104;

// Incompatible features, bit numbers.
export const INCOMPATIBLE_DIRTY = 0;
export const INCOMPATIBLE_CORRUPT = 1;
export const INCOMPATIBLE_DATA_FILE = 2;
export const INCOMPATIBLE_COMPRESSION = 3;
export const INCOMPATIBLE_EXTENDED_L2 = 4;
// Compatible features.
export const COMPATIBLE_LAZY_REFCOUNTS = 0;
// Autoclear features.
export const AUTOCLEAR_BITMAPS = 0;
export const AUTOCLEAR_RAW_DATA_FILE = 1;

// Header extensions: type u32, length u32, data padded to 8 bytes.
export const EXTENSION_END = 0;
export const EXTENSION_BACKING_FORMAT = 0xe2792aca;
export const EXTENSION_FEATURE_NAMES = 0x6803f857;
export const EXTENSION_BITMAPS = 0x23852875;
export const EXTENSION_DATA_FILE = 0x44415441;
/** An entry of the feature name table: type u8, bit u8, name. */
export const FEATURE_NAME_BYTES = 48;

// Snapshot table entry.
export const SNAPSHOT_L1_OFFSET = 0;
export const SNAPSHOT_L1_ENTRIES = 8;
export const SNAPSHOT_ID_BYTES = 12;
export const SNAPSHOT_NAME_BYTES = 14;
export const SNAPSHOT_SECONDS = 16;
export const SNAPSHOT_NANOSECONDS = 20;
export const SNAPSHOT_STATE_BYTES = 32;
export const SNAPSHOT_EXTRA_BYTES = 36;
export const SNAPSHOT_BYTES = 40;
// Its extra data.
export const SNAPSHOT_EXTRA_STATE_BYTES = 0;
export const SNAPSHOT_EXTRA_DISK_SIZE = 8;

// QEMU's own limits (block/qcow2.h): QEMU makes no image beyond them.
export const CLUSTER_BITS_MIN = 9;
export const CLUSTER_BITS_MAX = 21;
/** Extended L2 entries need subclusters of a sector: 32 x 512. */
export const CLUSTER_BITS_MIN_EXTENDED = 14;
export const L1_BYTES_MAX = 32 << 20;
export const REFCOUNT_TABLE_BYTES_MAX = 8 << 20;
export const SNAPSHOTS_MAX = 65536;
export const SNAPSHOT_EXTRA_BYTES_MAX = 1024;
/** L1 entries of all snapshots together. A limit of Sluice: 128 MiB of tables. */
export const SNAPSHOT_L1_ENTRIES_MAX = 1 << 24;
export const BACKING_NAME_BYTES_MAX = 1023;

export const SUBCLUSTERS = 32;
