import { parentPort } from 'node:worker_threads';
import { recordOf } from '../util/errors.js';
import type { Log } from './log.js';
import { type LiveImage, openLive } from './open-live.js';
import type { FromOpener } from './open-thread.js';

/** Entry of the thread that opens images: one after the other. */
const port = parentPort!;

const send = (message: FromOpener): void => port.postMessage(message);

const log: Log = {
  info: (text) => send({ kind: 'log', level: 'info', text }),
  warn: (text) => send({ kind: 'log', level: 'warn', text }),
  error: (text) => send({ kind: 'log', level: 'error', text }),
};

port.on('message', async (asked: LiveImage) => {
  try {
    const opened = await openLive(asked, log, (text) => send({ kind: 'warning', text }));
    send({ kind: 'opened', opened });
  } catch (error) {
    send({ kind: 'failed', error: recordOf(error) });
  }
});
