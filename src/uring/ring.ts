import { uringEnter, uringRegister } from '../sys/io-uring.js';
import { mapAnonymous, mapShared } from '../sys/memory.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import * as abi from './abi.js';
import { setUpRing } from './setup.js';

/** Errors of io_uring_enter after which the same call may succeed. */
const PASSING = new Set([ERRNO.EINTR, ERRNO.ETIME, ERRNO.EAGAIN, ERRNO.EBUSY]);

/** Most registered files. An image with one backing file takes two; a place takes 8 bytes. */
const FILE_PLACES_MAX = 65536;
/** A place for /dev/fuse and for a few images. */
const FILE_PLACES_MIN = 8;

/**
 * The argument block of a wait with a timeout: struct io_uring_getevents_arg, followed by the timespec
 * that it points at. Each wait carries its timeout, so no timeout entry is ever queued or cancelled.
 */
class WaitArgument {
  readonly address: number;
  readonly #view: DataView;

  constructor() {
    const { address, buffer } = mapAnonymous(4096);
    this.address = address;
    this.#view = new DataView(buffer);
    const timespec = BigInt(address + abi.GETEVENTS_ARG_BYTES);
    this.#view.setBigUint64(abi.GETEVENTS_ARG_TS, timespec, true);
  }

  /** @param timeoutNs Nanoseconds from now, finite, not negative. */
  set(timeoutNs: number): void {
    const seconds = Math.floor(timeoutNs / 1e9);
    this.#view.setUint32(abi.GETEVENTS_ARG_BYTES, seconds, true);
    this.#view.setUint32(abi.GETEVENTS_ARG_BYTES + 8, timeoutNs - seconds * 1e9, true);
  }
}

/**
 * An io_uring: queues entries without a system call, then submits all of them and waits in one
 * `io_uring_enter`. Belongs to the thread that makes it (SINGLE_ISSUER).
 *
 * A full submission queue is submitted at once. `peek` puts a completion into `completedTag` and
 * `completedResult`, so that nothing is allocated; `advance` removes it.
 */
export class Ring {
  /** Set-up flags that the kernel accepted. */
  readonly flags: number;
  /** `user_data` of the completion that `peek` found. */
  completedTag = 0;
  /** Its result: a count or a negative errno. */
  completedResult = 0;

  readonly #fd: number;
  readonly #words: Uint32Array;
  readonly #signed: Int32Array;
  readonly #sqes: Uint32Array;
  readonly #entries: number;
  readonly #sqeWords: number;
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #cqes: number;
  readonly #wait = new WaitArgument();
  #tail: number;
  #queued = 0;
  /** Places of the table of registered files, 0 before it is made. */
  #filePlaces = 0;
  #fileCount = 0;
  readonly #unusedFiles: number[] = [];
  readonly #update = mapAnonymous(4096);
  /** Our position in the completion queue, and the kernel's position when last read. */
  #head: number;
  #tailSeen: number;

  /**
   * @param entries Submission queue size, a power of two. The completion queue gets four times that:
   *   a turn may queue, flush and queue again before it reads completions.
   * @param takesCommands Its entries have room for `queueCommand`.
   * @throws SluiceError when the kernel has no io_uring, forbids it or is too old (before 5.19).
   */
  constructor(entries: number, takesCommands = false) {
    const params = new DataView(new ArrayBuffer(abi.PARAMS_BYTES));
    this.#fd = setUpRing(entries, params, takesCommands ? abi.SETUP_SQE128 : 0);
    this.#sqeWords = takesCommands ? abi.SQE128_WORDS : abi.SQE_WORDS;
    this.flags = params.getUint32(abi.PARAMS_FLAGS, true);
    this.#entries = params.getUint32(abi.PARAMS_SQ_ENTRIES, true);
    const cqEntries = params.getUint32(abi.PARAMS_CQ_ENTRIES, true);
    const sq = (field: number) => params.getUint32(abi.PARAMS_SQ_OFF + field, true);
    const cq = (field: number) => params.getUint32(abi.PARAMS_CQ_OFF + field, true);

    const ringBytes = Math.max(
      sq(abi.SQ_OFF_ARRAY) + this.#entries * 4,
      cq(abi.CQ_OFF_CQES) + cqEntries * abi.CQE_WORDS * 4,
    );
    const ring = mapShared(this.#fd, abi.OFF_SQ_RING, ringBytes);
    this.#words = new Uint32Array(ring.buffer);
    this.#signed = new Int32Array(ring.buffer);
    const sqeBytes = this.#entries * this.#sqeWords * 4;
    this.#sqes = new Uint32Array(mapShared(this.#fd, abi.OFF_SQES, sqeBytes).buffer);

    this.#sqHead = sq(abi.SQ_OFF_HEAD) / 4;
    this.#sqTail = sq(abi.SQ_OFF_TAIL) / 4;
    this.#sqFlags = sq(abi.SQ_OFF_FLAGS) / 4;
    this.#sqMask = this.#words[sq(abi.SQ_OFF_RING_MASK) / 4]!;
    this.#cqHead = cq(abi.CQ_OFF_HEAD) / 4;
    this.#cqTail = cq(abi.CQ_OFF_TAIL) / 4;
    this.#cqMask = this.#words[cq(abi.CQ_OFF_RING_MASK) / 4]!;
    this.#cqes = cq(abi.CQ_OFF_CQES) / 4;
    this.#tail = this.#words[this.#sqTail]!;
    this.#head = this.#words[this.#cqHead]!;
    this.#tailSeen = this.#head;
    // Entry i of the submission queue is always SQE i, so the indirection is filled in once.
    const array = sq(abi.SQ_OFF_ARRAY) / 4;
    for (let i = 0; i < this.#entries; i++) this.#words[array + i] = i;
  }

  /**
   * Makes a descriptor usable by the index that is returned (SQE_FIXED_FILE): at any time, up to as many
   * as the table has places.
   *
   * @throws SluiceError EMFILE, exit code 1, when it is full.
   */
  addFile(descriptor: number): number {
    if (this.#filePlaces === 0) this.#filePlaces = this.#makeFileTable();
    const index = this.#unusedFiles.pop() ?? this.#fileCount++;
    if (index >= this.#filePlaces) {
      const what = `images have more than ${this.#filePlaces} files, which is all that io_uring takes here`;
      throw new SluiceError(`${what}; use several mounts`, 'EMFILE', EXIT_FAILED);
    }
    this.#setFile(index, descriptor);
    return index;
  }

  /** No entry may be under way with this index. */
  removeFile(index: number): void {
    this.#setFile(index, -1);
    this.#unusedFiles.push(index);
  }

  /** An empty table. The limit of open files (RLIMIT_NOFILE) bounds it. Returns its places. */
  #makeFileTable(): number {
    for (let places = FILE_PLACES_MAX; ; places /= 2) {
      const list = new Int32Array(places).fill(-1);
      const result = uringRegister(this.#fd, abi.REGISTER_FILES, list, places);
      if (result >= 0) return places;
      const isLimit = result === -ERRNO.EMFILE && places > FILE_PLACES_MIN;
      assert(isLimit, `io_uring file registration failed with ${result}`);
    }
  }

  #setFile(index: number, descriptor: number): void {
    const { address, buffer } = this.#update;
    const view = new DataView(buffer);
    const list = abi.FILES_UPDATE_BYTES;
    view.setUint32(abi.FILES_UPDATE_OFFSET, index, true);
    view.setBigUint64(abi.FILES_UPDATE_FDS, BigInt(address + list), true);
    view.setInt32(list, descriptor, true);
    const update = new Int32Array(buffer, 0, list / 4);
    const result = uringRegister(this.#fd, abi.REGISTER_FILES_UPDATE, update, 1);
    assert(result === 1, `io_uring file update failed with ${result}`);
  }

  /**
   * Queues one entry. `address`, `offset` and `length` mean what the opcode says; `file` is a
   * registered index when `flags` has SQE_FIXED_FILE. `tag` (32 bits) comes back with the result.
   */
  queue(
    opcode: number,
    flags: number,
    file: number,
    address: number,
    length: number,
    offset: number,
    opFlags: number,
    tag: number,
  ): void {
    if (this.#queued === this.#entries) this.#flush();
    const sqes = this.#sqes;
    const at = (this.#tail & this.#sqMask) * this.#sqeWords;
    sqes[at + abi.SQE_OPCODE_FLAGS] = opcode | (flags << 8);
    sqes[at + abi.SQE_FD] = file;
    // ToUint32 takes the low word of any integer below 2^53.
    sqes[at + abi.SQE_OFFSET] = offset >>> 0;
    sqes[at + abi.SQE_OFFSET + 1] = offset / 4294967296;
    sqes[at + abi.SQE_ADDRESS] = address >>> 0;
    sqes[at + abi.SQE_ADDRESS + 1] = address / 4294967296;
    sqes[at + abi.SQE_LENGTH] = length;
    sqes[at + abi.SQE_OP_FLAGS] = opFlags;
    sqes[at + abi.SQE_USER_DATA] = tag;
    // A command that was here before has left its fields. All other words are always zero.
    sqes[at + abi.SQE_COMMAND + 2] = 0;
    sqes[at + abi.SQE_COMMAND + 3] = 0;
    this.#tail = (this.#tail + 1) >>> 0;
    this.#queued++;
  }

  /**
   * Queues a command to the driver of a file, by its code; `first` to `third` are words 2 to 4 of the
   * command's own fields, the others being zero. The ring must have been made for that.
   */
  queueCommand(
    flags: number,
    file: number,
    code: number,
    address: number,
    length: number,
    first: number,
    second: number,
    third: number,
    tag: number,
  ): void {
    this.queue(abi.OP_COMMAND, flags, file, address, length, code, 0, tag);
    const at = ((this.#tail - 1) & this.#sqMask) * this.#sqeWords + abi.SQE_COMMAND;
    this.#sqes[at + 2] = first;
    this.#sqes[at + 3] = second;
    this.#sqes[at + 4] = third;
  }

  /** Makes room for `count` linked entries, which must be submitted together. */
  reserve(count: number): void {
    if (this.#queued + count > this.#entries) this.#flush();
  }

  /** Submits the queued entries and collects completions, without waiting. */
  submit(): void {
    this.#enter(0, -1);
  }

  /**
   * Submits the queued entries and waits for a completion.
   * @param timeoutNs Longest wait in nanoseconds; Infinity for no limit.
   */
  submitAndWait(timeoutNs: number): void {
    this.#enter(1, timeoutNs);
  }

  /** True if there is a completion, or if entering the kernel would bring one. */
  hasWork(): boolean {
    if (Atomics.load(this.#signed, this.#cqTail) >>> 0 !== this.#head) return true;
    return (Atomics.load(this.#signed, this.#sqFlags) & abi.SQ_TASKRUN) !== 0;
  }

  /** Number of entries not yet submitted. */
  get queued(): number {
    return this.#queued;
  }

  /**
   * Reads the oldest completion; false if there is none. Reads the kernel's tail and publishes our head
   * once for a batch of completions, not for each one.
   */
  peek(): boolean {
    if (this.#head === this.#tailSeen) {
      Atomics.store(this.#signed, this.#cqHead, this.#head | 0);
      this.#tailSeen = Atomics.load(this.#signed, this.#cqTail) >>> 0;
      if (this.#head === this.#tailSeen) return false;
    }
    const at = this.#cqes + (this.#head & this.#cqMask) * abi.CQE_WORDS;
    this.completedTag = this.#words[at]!;
    this.completedResult = this.#signed[at + abi.CQE_RESULT]!;
    return true;
  }

  /** Removes the completion that `peek` read. */
  advance(): void {
    this.#head = (this.#head + 1) >>> 0;
  }

  /** Submits all entries in the middle of a turn. */
  #flush(): void {
    while (this.#queued > 0) this.#enter(0, -1);
  }

  #enter(minComplete: number, timeoutNs: number): void {
    Atomics.store(this.#signed, this.#sqTail, this.#tail | 0);
    const result =
      timeoutNs < 0 || timeoutNs === Infinity
        ? uringEnter(this.#fd, this.#queued, minComplete, abi.ENTER_GETEVENTS, 0, 0)
        : this.#enterWithin(minComplete, timeoutNs);
    if (result >= 0) {
      this.#queued -= result;
      return;
    }
    // The call was interrupted, timed out, or lacked memory or room for completions. The head of the queue
    // tells how many entries the kernel took; the caller submits the others in its next turn.
    assert(PASSING.has(-result), `io_uring_enter failed with ${result}`);
    const head = Atomics.load(this.#signed, this.#sqHead) >>> 0;
    this.#queued = (this.#tail - head) >>> 0;
  }

  #enterWithin(minComplete: number, timeoutNs: number): number {
    this.#wait.set(timeoutNs);
    const flags = abi.ENTER_GETEVENTS | abi.ENTER_EXT_ARG;
    const argument = this.#wait.address;
    return uringEnter(
      this.#fd,
      this.#queued,
      minComplete,
      flags,
      argument,
      abi.GETEVENTS_ARG_BYTES,
    );
  }
}

/** A ring as its users see it. */
export type RingQueue = Omit<Ring, 'queueCommand'>;

/** One that takes commands to drivers. */
export type CommandQueue = Pick<Ring, 'queueCommand'>;
