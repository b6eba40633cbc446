import type { Mutation } from './mutation.js';

/** Faults of a mount that goes on after the death of its daemon. */
const FAULTS: readonly Mutation[] = [
  {
    name: 'state-is-late',
    fault:
      'what is open and which groups there are is kept every 20 ms, and not in the turn in which it changes',
    changes: [
      {
        file: 'loop/keep.ts',
        from: 'if (changes === this.#changes && !isDue) return;',
        to: 'if (plane.nowNs < this.#dueNs) return void isDue;',
      },
    ],
  },
  {
    name: 'opens-not-carried',
    fault: 'a daemon that goes on does not know which files are open',
    changes: [{ file: 'plane/carry-over.ts', from: 'found.opens = count;', to: 'void count;' }],
  },
  {
    name: 'replies-not-kept',
    fault: 'an open, a close or a change of groups whose reply has not left is made a second time',
    changes: [
      {
        file: 'fuse/kept-replies.ts',
        from: 'return [...this.#replies, ...own];',
        to: 'return [...this.#replies, ...own].slice(own.length * 2);',
      },
    ],
  },
  {
    name: 'head-comes-first',
    fault: 'the head of a state is written before its bytes',
    changes: [
      {
        file: 'plane/snapshot-file.ts',
        from: '    this.#writeAt(this.#descriptor, bytes, 0, bytes.length, at + HEAD_BYTES);\n',
        to: '',
      },
      {
        file: 'plane/snapshot-file.ts',
        from: '    this.#writeAt(this.#descriptor, head, 0, HEAD_BYTES, at);\n',
        to: `    this.#writeAt(this.#descriptor, head, 0, HEAD_BYTES, at);
    this.#writeAt(this.#descriptor, bytes, 0, bytes.length, at + HEAD_BYTES);
`,
      },
    ],
  },
  {
    name: 'table-of-now',
    fault: 'a partition that is open is looked for in the table as it is now',
    changes: [
      {
        file: 'plane/carry-over.ts',
        from: 'if (found === undefined || shown === null) return disk;',
        to: 'if (found === undefined || shown === null || shown.length >= 0) return disk;',
      },
    ],
  },
  {
    name: 'debts-dropped',
    fault: 'what groups owe is forgotten with the daemon',
    changes: [
      {
        file: 'throttle/carry-over.ts',
        from: 'buckets.setLevels(group.id, levels, then, unseenNs);',
        to: 'void [levels, then, unseenNs, buckets];',
      },
    ],
  },
];

/** Faults of the redo log of a qcow2 image. */
const REDO_FAULTS: readonly Mutation[] = [
  {
    name: 'redo-entry-dropped',
    fault: 'the redo log is not told of an L2 entry whose cluster was in use before',
    changes: [
      {
        file: 'image/qcow2/change-log.ts',
        from: '    this.#log.append(kind, cluster, words[at]!',
        to: '    if (kind !== CHANGE.entry) this.#log.append(kind, cluster, words[at]!',
      },
    ],
  },
  {
    name: 'redo-run-dropped',
    fault: 'the redo log is not told of the refcount of a single new cluster',
    changes: [
      {
        file: 'image/qcow2/change-log.ts',
        from: '    this.#log.append(CHANGE.run, cluster, count);',
        to: '    if (count > 1) this.#log.append(CHANGE.run, cluster, count);',
      },
    ],
  },
  {
    name: 'redo-l1-dropped',
    fault: 'the redo log is not told of the first L2 table',
    changes: [
      {
        file: 'image/qcow2/change-log.ts',
        from: '    this.#log.append(CHANGE.l1, index,',
        to: '    if (index > 0) this.#log.append(CHANGE.l1, index,',
      },
    ],
  },
];

/** Every run that can have them has deaths. */
export const CRASH_FAULTS: readonly Mutation[] = [
  ...FAULTS.map((one) => ({ ...one, words: ['--crashes'] })),
  ...REDO_FAULTS.map((one) => ({ ...one, words: ['--crashes', '--redo'] })),
];
