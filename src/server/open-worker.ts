import { parentPort } from 'node:worker_threads';
import { recordOf } from '../util/errors.js';
import type { Log } from './log.js';
import { changeAsked, openLive } from './open-live.js';
import type { FromOpener, ToOpener } from './open-thread.js';

/** Entry of the thread that opens images and changes overlays: one after the other. */
const port = parentPort!;

const send = (message: FromOpener): void => port.postMessage(message);

const log: Log = {
  info: (text) => send({ kind: 'log', level: 'info', text }),
  warn: (text) => send({ kind: 'log', level: 'warn', text }),
  error: (text) => send({ kind: 'log', level: 'error', text }),
};

const warn = (text: string): void => send({ kind: 'warning', text });

port.on('message', async (asked: ToOpener) => {
  try {
    if (asked.kind === 'open') {
      send({ kind: 'done', opened: await openLive(asked.image, log, warn) });
      return;
    }
    await changeAsked(asked.overlay, log, warn);
    send({ kind: 'done', opened: null });
  } catch (error) {
    send({ kind: 'failed', error: recordOf(error) });
  }
});
