import type { Mutation } from './mutation.js';

/** Faults of many kinds, at places where a slip is easy. */
export const OTHER_FAULTS: readonly Mutation[] = [
  {
    name: 'dropped-errno',
    fault: 'a flush goes on after metadata could not be written',
    changes: [
      {
        file: 'image/qcow2/metadata-flush.ts',
        from: 'yield* this.#writePieces(request, pieces);\n      if (written < 0) return written;\n',
        to: 'yield* this.#writePieces(request, pieces);\n      if (written === -ERRNO.EINVAL) return written;\n',
      },
    ],
  },
  {
    name: 'no-barrier-before-l2',
    fault: 'L2 tables are written without a barrier behind data and refcounts',
    changes: [
      {
        file: 'image/qcow2/metadata-flush.ts',
        from: 'const isFree = pieces === refcounts ||',
        to: 'const isFree = pieces === refcounts || pieces === slices ||',
      },
    ],
  },
  {
    name: 'no-barrier-before-l1',
    fault: 'L1 tables are written without a barrier behind L2 tables',
    changes: [
      {
        file: 'image/qcow2/metadata-flush.ts',
        from: 'const isFree = pieces === refcounts ||',
        to: 'const isFree = pieces === refcounts || pieces === l1 ||',
      },
    ],
  },
  {
    name: 'no-barrier-before-header',
    fault: 'a new size is written to the header without a barrier behind the tables',
    changes: [
      {
        file: 'image/qcow2/metadata-flush.ts',
        from: 'const isFree = pieces === refcounts ||',
        to: 'const isFree = pieces === refcounts || pieces === stage.disk ||',
      },
    ],
  },
  {
    name: 'shared-lock',
    fault: 'a write that is not in place takes a shared lock instead of an exclusive one',
    changes: [
      {
        file: 'plane/writes.ts',
        from: 'start + requests.length[request]!, !inPlace)) {',
        to: 'start + requests.length[request]!, inPlace && !inPlace)) {',
      },
    ],
  },
  {
    name: 'lock-kept-on-error',
    fault: 'a write that fails keeps its lock',
    changes: [
      {
        file: 'plane/writes.ts',
        from: 'if (driver.lockUnit > 1) locks.end(request, granted);',
        to: 'if (driver.lockUnit > 1 && written > 0) locks.end(request, granted);',
      },
    ],
  },
  {
    name: 'last-unit-not-locked',
    fault: 'a range that ends within a unit does not lock that unit',
    changes: [
      {
        file: 'plane/range-locks.ts',
        from: 'const last = Math.ceil(end / lockUnit) * lockUnit;',
        to: 'const last = Math.max(end, Math.floor(end / lockUnit) * lockUnit);',
      },
    ],
    escapes:
      'it changes nothing: the start of a lock is rounded down, so two exclusive locks that touch a unit still overlap; and of a unit in which others write in place an exclusive request changes only the blocks at its edges, which those cover whole',
  },
  {
    name: 'in-flight-kept',
    fault: 'a request that fails stays counted as in flight',
    changes: [
      {
        file: 'plane/plane.ts',
        from: '    if (requests.inFlight[request] === 1) {\n      this.inFlight--;\n',
        to: '    if (requests.inFlight[request] === 1) {\n      if (requests.operation[request] <= WRITE) this.inFlight--;\n',
      },
    ],
  },
  {
    name: 'slot-kept',
    fault: 'a request that waits loses its slot, which nobody can use again',
    changes: [
      {
        file: 'plane/plane.ts',
        from: '    if (slot === NONE || this.requests.lent[request] === 1) return;\n    this.#memory.releaseSlot(slot);\n',
        to: '    if (slot === NONE || this.requests.lent[request] === 1) return;\n    if (this.requests.state[request] !== WAITING) this.#memory.releaseSlot(slot);\n',
      },
    ],
  },
  {
    name: 'pool-place-kept',
    fault: 'the payload of a write that waited keeps its place in the pool',
    changes: [
      {
        file: 'plane/plane.ts',
        from: '    if (requests.pooled[request] !== NONE) this.#pool.release(requests.pooled[request]!);\n',
        to: '',
      },
    ],
  },
  {
    name: 'waiting-index-kept',
    fault: 'a request that leaves its group stays in the index of those that wait',
    changes: [
      {
        file: 'plane/plane.ts',
        from: '      if (request < 0) break;\n      this.#waiting.remove(request);\n',
        to: '      if (request < 0) break;\n',
      },
    ],
  },
  {
    name: 'charged-twice',
    fault: 'each request that waits costs its buckets twice',
    changes: [
      {
        file: 'throttle/dispatcher.ts',
        from: 'if (isLimited) credit.charge(queue, bytes);',
        to: 'if (isLimited) credit.charge(queue, 2 * bytes);\n    if (isLimited) credit.charge(queue, bytes);',
      },
    ],
  },
  {
    name: 'not-charged',
    fault: 'a request that need not wait costs its buckets nothing',
    changes: [
      {
        file: 'throttle/head-credit.ts',
        from: '    for (let at = 0; at < path.length; at++) buckets.charge(path[at], bytes, now);\n',
        to: '',
      },
    ],
  },
  {
    name: 'fast-bucket',
    fault: 'buckets leak 5 % too fast',
    changes: [
      {
        file: 'throttle/leaky-buckets.ts',
        from: 'rate === Infinity ? 0 : 1e9 / rate, now);',
        to: 'rate === Infinity ? 0 : 0.95e9 / rate, now);',
      },
    ],
  },
  {
    name: 'stale-rule',
    fault: 'requests are charged to the member of a rule that is gone',
    changes: [
      {
        file: 'plane/members.ts',
        from: '    this.#threads.clear();\n',
        to: '',
      },
    ],
  },
  {
    name: 'early-decrement',
    fault: 'clusters are free before the tables without them are on the disk',
    changes: [
      {
        file: 'image/qcow2/flushes.ts',
        from: '    const released = allocator.takeReleased();\n    const result = yield* this.#metadata.run(request, atEnd);\n    if (result < 0) allocator.putBack(released);\n    else this.refcounts.retire(released, watch());\n',
        to: '    this.refcounts.retire(allocator.takeReleased(), watch());\n    const result = yield* this.#metadata.run(request, atEnd);\n',
      },
    ],
  },
  {
    name: 'early-reuse',
    fault: 'clusters are used again while a request that has looked them up still reads them',
    changes: [
      {
        file: 'image/qcow2/flushes.ts',
        from: 'else this.refcounts.retire(released, watch());',
        to: 'else this.refcounts.retire(released, watch() && (() => true));',
      },
    ],
  },
  {
    name: 'slice-clean-after-error',
    fault: 'changes of L2 and L1 tables count as written although their write has failed',
    changes: [
      {
        file: 'image/qcow2/qcow-writer.ts',
        from: '      tablesEnded(written);\n',
        to: '      tablesEnded(true);\n',
      },
    ],
  },
  {
    name: 'refcounts-clean-after-error',
    fault: 'refcounts of a flush that has failed are never written, and clusters get used twice',
    changes: [
      {
        file: 'image/qcow2/refcount-blocks.ts',
        from: '      this.piecesEnded(written);\n      if (written) return;\n',
        to: '      this.piecesEnded(true);\n      if (written) return;\n',
      },
    ],
  },
  {
    name: 'decremented-twice',
    fault: 'after a flush that has failed clusters are freed twice',
    changes: [
      {
        file: 'image/qcow2/flushes.ts',
        from: '    if (result < 0) allocator.putBack(released);\n    else this.refcounts.retire(released, watch());\n',
        to: '    if (result < 0) allocator.putBack(released);\n    this.refcounts.retire(released, watch());\n',
      },
    ],
  },
  {
    name: 'short-write',
    fault: 'a short write of a cluster or of metadata counts as complete',
    changes: [
      {
        file: 'host/transfer-all.ts',
        from: '-ERRNO.EIO : got;\n    done += got;\n',
        to: '-ERRNO.EIO : got;\n    done = length;\n',
      },
    ],
  },
  {
    name: 'short-metadata-read',
    fault: 'a read of metadata that stops short is taken for the end of the file',
    changes: [
      {
        file: 'host/transfer-all.ts',
        from: '    if (got === 0 || done === length) return done;\n',
        to: '    return done;\n',
      },
    ],
  },
  {
    name: 'short-read',
    fault: 'a short read is answered as it is',
    changes: [
      {
        file: 'plane/reads.ts',
        from: 'else if (result < requests.length[request]!) this.#startTask(request, result);',
        to: 'else if (result === 0) this.#startTask(request, result);',
      },
    ],
  },
  {
    name: 'unlinked-reply',
    fault:
      'the reply behind a transfer does not wait for the transfer, and leaves if that is short',
    changes: [
      {
        file: 'host/uring-engine.ts',
        from: 'flags |= this.#linkedFlags;',
        to: 'flags |= this.#linkedFlags & ~abi.SQE_IO_LINK;',
      },
    ],
  },
  {
    name: 'wrong-edge',
    fault: 'behind an unaligned write comes the first half of the old block, not the second',
    changes: [
      {
        file: 'image/unaligned-writes.ts',
        from: 'const tail = edge + this.#alignment - after;',
        to: 'const tail = edge;',
      },
    ],
  },
  {
    name: 'zero-rounds-outward',
    fault: 'a part of a cluster is zeroed by zeroing all of it',
    changes: [
      {
        file: 'image/qcow2/writes.ts',
        from: 'if (!isWhole || version === 2 || dataFileRaw) {',
        to: 'if ((!isWhole && bytes < 512) || version === 2 || dataFileRaw) {',
      },
    ],
  },
  {
    name: 'size-before-success',
    fault: 'a disk keeps the new size although growing has failed',
    changes: [
      {
        file: 'image/qcow2/growth.ts',
        from: '    layer.size = before;\n',
        to: '',
      },
    ],
  },
  {
    name: 'stale-size',
    fault: 'after a resize reads still go by the old end of the file',
    changes: [
      {
        file: 'image/raw/raw-layer.ts',
        from: '    this.hostSize = hostSize;\n',
        to: '    this.hostSize ||= hostSize;\n',
      },
    ],
  },
  {
    name: 'ignored-event',
    fault: 'a signal that came during the start is forgotten when the start is done',
    changes: [
      {
        file: 'server/lifecycle.ts',
        from: "interrupted: { ...STARTS, ready: ['unmounting', 'unmount'] },",
        to: "interrupted: { ...STARTS, ready: ['serving', 'announce'] },",
      },
    ],
  },
  {
    name: 'wrong-exit-code',
    fault: 'a mount whose last flush has failed ends with the exit code of a daemon that died',
    changes: [
      {
        file: 'server/conclusion.ts',
        from: "new SluiceError(errors.join('; '), errno, EXIT_FAILED)",
        to: "new SluiceError(errors.join('; '), errno, EXIT_DAEMON)",
      },
    ],
  },
  {
    name: 'drain-keeps-limits',
    fault: 'at the end of a mount waiting requests are not released from their limits',
    changes: [
      {
        file: 'plane/ending.ts',
        from: '    this.#plane.releaseWaiting();\n',
        to: '',
      },
    ],
  },
  {
    name: 'no-memory-ends-the-plane',
    fault: 'a request for which no further buffer can be mapped ends the data plane',
    changes: [
      {
        file: 'image/buffers.ts',
        from: 'this.#mappings.mapMore(this.#bytes)',
        to: 'this.#mappings.map(this.#bytes)',
      },
    ],
  },
];
