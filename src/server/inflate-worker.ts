import { parentPort } from 'node:worker_threads';
import { inflate } from '../image/inflate.js';
import type { InflateJob } from './inflate-thread.js';

/** Entry of the thread that inflates: one cluster after the other. Its first message says that it is up. */
const port = parentPort!;

port.on('message', async ({ method, bytes, clusterBytes }: InflateJob) => {
  port.postMessage(await inflate(method, bytes, clusterBytes));
});
port.postMessage(null);
