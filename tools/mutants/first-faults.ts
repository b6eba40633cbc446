import type { Mutation } from './mutation.js';

/** Faults that version 0.1 had, put back into the code of today. */
export const FIRST_FAULTS: readonly Mutation[] = [
  {
    name: 'second-last-flush',
    fault: 'a second last flush starts while the first is under way, and ends the mount first',
    changes: [
      {
        file: 'server/lifecycle.ts',
        from: "    flushed: ['closing', 'close'],\n",
        to: "    flushed: ['closing', 'close'],\n    unmounted: ['flushing', 'flush'],\n    disconnected: ['flushing', 'flush'],\n",
      },
      {
        file: 'plane/ending.ts',
        from: '    this.#plane.startLastFlush();\n',
        to: "    if (this.#step === 'flush') this.#tell({ kind: 'flushed' });\n    else this.#plane.startLastFlush();\n",
      },
    ],
  },
  {
    name: 'silent-last-flush',
    fault: 'a last flush fails, and the mount ends with exit code 0',
    changes: [
      {
        file: 'plane/last-flush.ts',
        from: 'const errno = failed || lost;',
        to: 'const errno = lost;',
      },
    ],
  },
  {
    name: 'forgotten-loss',
    fault: 'an fsync after one that has failed says that all is well',
    changes: [
      {
        file: 'plane/disk-requests.ts',
        from: 'return result < 0 ? result : losses.report(handle);',
        to: 'return result;',
      },
    ],
  },
  {
    name: 'leak-on-full-disk',
    fault: 'room that a write took before ENOSPC is not given back',
    changes: [
      {
        file: 'image/qcow2/writes.ts',
        from: 'if (isNew && !writer.hasDataFile) writer.allocator.free(host);',
        to: 'if (isNew && place !== -ERRNO.ENOSPC) writer.allocator.free(host);',
      },
    ],
  },
  {
    name: 'leak-on-error',
    fault: 'room that a write took before EIO, as of a cluster that cannot be inflated, is lost',
    changes: [
      {
        file: 'image/qcow2/writes.ts',
        from: 'if (isNew && !writer.hasDataFile) writer.allocator.free(host);',
        to: 'if (isNew && place !== -ERRNO.EIO) writer.allocator.free(host);',
      },
    ],
  },
  {
    name: 'behind-the-end',
    fault: 'a cluster wholly behind the end of the image file cannot be written',
    changes: [
      {
        file: 'image/qcow2/writes.ts',
        from: 'if (writer.hasDataFile || host + clusterBytes <= allocator.end) return',
        to: 'if (host + clusterBytes > 0) return',
      },
    ],
  },
  {
    name: 'shrinking-table',
    fault: 'a member number that is used again shrinks a table, and requests wait for ever',
    changes: [
      {
        file: 'throttle/members.ts',
        from: 'fitTables(this.#parts, groups.highWater, this.highWater);',
        to: 'fitTables(this.#parts, groups.highWater, member + 1);',
      },
      {
        file: 'throttle/request-table.ts',
        from: 'this.queues = Math.max(this.queues, (members << this.#deviceBits) * OP_CLASSES);',
        to: 'this.queues = (members << this.#deviceBits) * OP_CLASSES;',
      },
    ],
  },
  {
    name: 'any-signal',
    fault: 'any signal of the caller ends a waiting request with EINTR',
    changes: [
      {
        file: 'plane/interrupted.ts',
        from: 'if (this.#isKilled(request)) return true;',
        to: 'if (this.#isKilled(request) || nowNs > 0) return true;',
      },
    ],
  },
  {
    name: 'refused-reply',
    fault: 'the error of a reply that the kernel refuses is dropped, and its caller hangs',
    changes: [
      {
        file: 'loop/ring-loop.ts',
        from: '      session.sendFailed(index, result);\n',
        to: '',
      },
    ],
  },
  {
    name: 'refused-linked-reply',
    fault: 'the error of a refused reply behind a transfer is dropped, and its caller hangs',
    changes: [
      {
        file: 'loop/ring-loop.ts',
        from: '    if (result < 0) {\n      const { uniqueLow, uniqueHigh }',
        to: '    if (result < -4096) {\n      const { uniqueLow, uniqueHigh }',
      },
    ],
  },
  {
    name: 'time-goes-back',
    fault: 'the release of waiting requests hands the throttle a time of before',
    changes: [
      {
        file: 'throttle/throttle.ts',
        from: 'this.#parts.gate.isDraining = true;\n    this.#parts.dispatcher.rebuild(this.#parts.dispatcher.clock);',
        to: 'this.#parts.gate.isDraining = true;\n    this.#parts.dispatcher.rebuild(0);',
      },
    ],
  },
  {
    name: 'offset-bits',
    fault: 'offsets of requests lose all bits above 2^32',
    changes: [
      {
        file: 'fuse/wire.ts',
        from: 'return Math.min(value, Number.MAX_SAFE_INTEGER);',
        to: 'return value >>> 0;',
      },
    ],
  },
  {
    name: 'host-offset-bits',
    fault: 'places of clusters lose all bits above 2^32',
    changes: [
      {
        file: 'image/qcow2/qcow-writer.ts',
        from: '(entries.COPIED_HIGH | Math.floor(host / 2 ** 32)) >>> 0;',
        to: 'entries.COPIED_HIGH >>> 0;',
      },
    ],
  },
  {
    name: 'growing-nodes',
    fault: 'the nodes of a group that is removed stay, and their table grows',
    changes: [
      {
        file: 'tree/tree.ts',
        from: '    this.#nodes.delete(node.id);\n',
        to: '',
      },
    ],
  },
  {
    name: 'late-ready',
    fault: 'the reply to INIT has left, but nothing wakes the thread to tell that it is ready',
    changes: [
      {
        file: 'loop/ring-loop.ts',
        from: 'const isEdge = !plane.isReceiving || !dispatcher.isServing || plane.isHolding;',
        to: 'const isEdge = !plane.isReceiving || plane.isHolding;',
      },
      {
        file: 'loop/ring-loop.ts',
        from: 'const until = hasSent ? Math.min(wakeAt, now + COUNT_AFTER_NS) : wakeAt;',
        to: 'const until = hasSent && dispatcher.isServing ? Math.min(wakeAt, now + COUNT_AFTER_NS) : wakeAt;',
      },
    ],
  },
];
