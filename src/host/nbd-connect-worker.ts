import { parentPort, workerData } from 'node:worker_threads';
import type { Agreed } from '../nbd/handshake.js';
import { close } from '../sys/libc.js';
import { SluiceError } from '../util/errors.js';
import { changeOf, connect, connectMore } from './nbd-connect.js';
import type { NbdExport } from './nbd-export.js';

/**
 * Entry of a thread that connects to a server again, however long that takes, and then ends. Its calls
 * wait.
 */

/** Messages of the thread. */
export type FromConnector =
  /** A server that answers, and is refused. */
  { kind: 'problem'; text: string } | { kind: 'connected'; descriptors: number[]; agreed: Agreed };

/** Of each step; short, for the process may want to end. */
const STEP_MS = 2000;
const PAUSE_MS = 100;

/** What the thread is started with. */
export interface ConnectorData {
  readonly one: NbdExport;
  /** A word: not 0, and the connection is wanted no more. */
  readonly stop: Int32Array;
}

function run({ one, stop }: ConnectorData): void {
  const { target, connections } = one;
  let told = '';
  while (Atomics.load(stop, 0) === 0) {
    try {
      const first = connect(target, STEP_MS);
      const change = changeOf(one, first.agreed);
      if (change === null) {
        const more = connectMore(target, first, STEP_MS, connections);
        const descriptors = [first.descriptor, ...more];
        post({ kind: 'connected', descriptors, agreed: first.agreed });
        return;
      }
      close(first.descriptor);
      if (change !== told) post({ kind: 'problem', text: `${target.uri}: ${change}` });
      told = change;
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      // That nobody listens is known.
      const isNews = error.errno === 'EPROTO' && error.message !== told;
      if (isNews) post({ kind: 'problem', text: error.message });
      told = error.message;
    }
    Atomics.wait(stop, 0, 0, PAUSE_MS);
  }
}

function post(message: FromConnector): void {
  parentPort!.postMessage(message);
}

run(workerData as ConnectorData);
