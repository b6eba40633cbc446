/**
 * Numbers and offsets of io_uring (include/uapi/linux/io_uring.h). Offsets into the ring are bytes; all
 * fields are little-endian 32-bit words unless noted.
 */

// io_uring_setup flags, with the kernel that brought them.
export const SETUP_CQSIZE = 1 << 3; // 5.5
export const SETUP_SUBMIT_ALL = 1 << 7; // 5.18: entries after a bad one are submitted too
export const SETUP_COOP_TASKRUN = 1 << 8; // 5.19: no inter-processor interrupt for a completion
export const SETUP_TASKRUN_FLAG = 1 << 9; // 5.19: SQ_TASKRUN tells that entering would bring a completion
export const SETUP_SQE128 = 1 << 10; // 5.19: entries of 128 bytes, with room for the fields of a command
export const SETUP_SINGLE_ISSUER = 1 << 12; // 6.0
export const SETUP_DEFER_TASKRUN = 1 << 13; // 6.1: completions run when this thread enters

// struct io_uring_params: 120 bytes.
export const PARAMS_BYTES = 120;
export const PARAMS_SQ_ENTRIES = 0;
export const PARAMS_CQ_ENTRIES = 4;
export const PARAMS_FLAGS = 8;
export const PARAMS_FEATURES = 20;
export const PARAMS_SQ_OFF = 40;
export const PARAMS_CQ_OFF = 80;

// struct io_sqring_offsets and io_cqring_offsets, from PARAMS_SQ_OFF and PARAMS_CQ_OFF.
export const SQ_OFF_HEAD = 0;
export const SQ_OFF_TAIL = 4;
export const SQ_OFF_RING_MASK = 8;
export const SQ_OFF_FLAGS = 16;
export const SQ_OFF_ARRAY = 24;
export const CQ_OFF_HEAD = 0;
export const CQ_OFF_TAIL = 4;
export const CQ_OFF_RING_MASK = 8;
export const CQ_OFF_CQES = 20;

// Features in PARAMS_FEATURES that a ring needs.
export const FEAT_SINGLE_MMAP = 1 << 0; // 5.4
export const FEAT_NODROP = 1 << 1; // 5.5
export const FEAT_EXT_ARG = 1 << 8; // 5.11: a timeout in io_uring_enter itself
export const FEAT_CQE_SKIP = 1 << 11; // 5.17

// Flags in the word at SQ_OFF_FLAGS.
export const SQ_TASKRUN = 1 << 2;

// mmap offsets of the two areas.
export const OFF_SQ_RING = 0;
export const OFF_SQES = 0x10000000;

// io_uring_enter flags.
export const ENTER_GETEVENTS = 1 << 0;
export const ENTER_EXT_ARG = 1 << 3;

// struct io_uring_getevents_arg: 24 bytes; struct __kernel_timespec: 16 bytes.
export const GETEVENTS_ARG_BYTES = 24;
export const GETEVENTS_ARG_TS = 16;

// io_uring_register opcodes.
export const REGISTER_FILES = 2;
export const REGISTER_FILES_UPDATE = 6;
export const REGISTER_PROBE = 8;

// struct io_uring_probe: 16 bytes, then 8 for each opcode; flag 1 in byte 2 of those: supported.
export const PROBE_BYTES = 16;
export const PROBE_OP_BYTES = 8;
export const PROBE_OP_FLAGS = 2;
export const PROBE_OP_SUPPORTED = 1;

// struct io_uring_sqe: 64 bytes = 16 words. Word numbers.
export const SQE_WORDS = 16;
export const SQE128_WORDS = 32;
export const SQE_OPCODE_FLAGS = 0; // opcode u8, flags u8, ioprio u16
export const SQE_FD = 1;
export const SQE_OFFSET = 2; // 64 bits
export const SQE_ADDRESS = 4; // 64 bits
export const SQE_LENGTH = 6;
export const SQE_OP_FLAGS = 7; // rw_flags, fsync_flags, poll32_events, cancel_flags
export const SQE_USER_DATA = 8; // 64 bits, of which the low 32 are used

/**
 * Of a command (OP_COMMAND): its code is where others have the low half of the offset, its own fields begin
 * at SQE_COMMAND.
 */
export const SQE_COMMAND_CODE = 2;
export const SQE_COMMAND = 12;

// struct io_uring_cqe: 16 bytes = 4 words: user_data (64 bits), res (signed), flags.
export const CQE_WORDS = 4;
export const CQE_RESULT = 2;

// SQE flags.
export const SQE_FIXED_FILE = 1 << 0;
export const SQE_IO_LINK = 1 << 2;
export const SQE_CQE_SKIP_SUCCESS = 1 << 6;

// Opcodes.
export const OP_FSYNC = 3;
export const OP_WRITEV = 2; // the address is that of struct iovec, the length their number
export const OP_CANCEL = 14;
export const OP_FALLOCATE = 17;
export const OP_READ = 22;
export const OP_WRITE = 23;
export const OP_SEND = 26; // 5.6; the flags are those of send(2)
export const OP_RECV = 27; // 5.6; the flags are those of recv(2)
export const OP_COMMAND = 46;

// Flags of OP_CANCEL, 5.19: all requests of a registered file.
export const CANCEL_ALL = 1 << 0;
export const CANCEL_FD = 1 << 1;
export const CANCEL_FD_FIXED = 1 << 3;

export const FSYNC_DATASYNC = 1;
export const POLLIN = 1;

/** struct io_uring_files_update: offset, reserved, address of the descriptors. */
export const FILES_UPDATE_OFFSET = 0;
export const FILES_UPDATE_FDS = 8;
export const FILES_UPDATE_BYTES = 16;

/** Two of struct iovec, for a header and what follows it. */
export const IOVECS_BYTES = 32;
