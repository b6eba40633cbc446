import type { Mutation } from './mutation.js';

/** Faults of the exports of NBD servers. */
const FAULTS: readonly Mutation[] = [
  {
    name: 'no-replay',
    fault: 'writes since the last flush are not sent again to a server that was started again',
    changes: [
      {
        file: 'host/nbd-served.ts',
        from: 'const next = log?.nextAnswered(this.#replayAt) ?? -1;',
        to: 'const next = Math.min(-1, log?.nextAnswered(this.#replayAt) ?? -1);',
      },
    ],
  },
  {
    name: 'replay-in-any-order',
    fault: 'writes that overlap are sent again at the same time',
    changes: [
      {
        file: 'host/nbd-served.ts',
        from: '      else if (offset[row]! < start + bytes && start < offset[row]! + length[row]!) return NO_ROW;\n',
        to: '',
      },
    ],
  },
  {
    name: 'flush-covers-too-much',
    fault: 'a write that is answered while a flush is under way is not sent again after a loss',
    changes: [
      {
        file: 'host/nbd-write-log.ts',
        from: 'this.#epoch[place]! < epoch)',
        to: 'this.#epoch[place]! <= epoch)',
      },
    ],
  },
  {
    name: 'piece-not-sent-again',
    fault: 'of a write in pieces, those that were answered before a loss are not sent again',
    changes: [
      {
        file: 'host/nbd-served.ts',
        from: '      if (rows.command[row] !== nbd.CMD_READ) rows.done[row] = 0;\n',
        to: '',
      },
    ],
  },
  {
    name: 'waits-for-ever',
    fault: 'requests go on waiting for a server that does not come back',
    changes: [
      {
        file: 'host/nbd-served.ts',
        from: '    for (const row of this.#rows.takeAll(this.#waiting)) this.#end(row, -ERRNO.EIO);\n',
        to: '',
      },
    ],
  },
  {
    name: 'request-lost-with-connection',
    fault: 'what was under way on a connection that is lost is forgotten',
    changes: [
      {
        file: 'host/nbd-served.ts',
        from: 'this.#isRefusing ? waiting : [...underWay, ...waiting];',
        to: 'this.#isRefusing ? underWay : waiting;',
      },
    ],
  },
  {
    name: 'short-send',
    fault: 'the rest of a send that was short is not sent',
    changes: [
      {
        file: 'host/nbd-connection.ts',
        from: 'if (this.#length[this.#head] === 0) this.#head++;',
        to: 'this.#head++;',
      },
    ],
  },
  {
    name: 'parts-of-blocks',
    fault: 'a server is asked to zero parts of its blocks',
    changes: [
      {
        file: 'host/nbd-engine.ts',
        from: '    if (!one.hasBlocks(offset, bytes)) return -ERRNO.EOPNOTSUPP;\n',
        to: '',
      },
    ],
  },
  {
    name: 'no-fua',
    fault: 'a server that cannot flush is not told to write through',
    changes: [
      {
        file: 'host/nbd-served.ts',
        from: 'isLost ? flags | nbd.CMD_FLAG_FUA : flags,',
        to: 'isLost ? flags : flags,',
      },
    ],
  },
];

export const SERVER_FAULTS = FAULTS.map((fault) => ({ ...fault, words: ['--servers'] }));
