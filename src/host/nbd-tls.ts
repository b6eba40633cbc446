import { join } from 'node:path';
import {
  isMainThread,
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import type { NbdTls } from '../nbd/uri.js';
import { setTimeouts } from '../sys/sockets.js';
import { socketPair } from '../sys/unix-socket.js';

/** The start data of a thread that speaks TLS. */
export interface TlsWorkerData {
  /** The connection to the server, at the start of TLS. */
  server: number;
  /** A socket with the plain bytes. */
  plain: number;
  tls: NbdTls;
  /** Takes the reason of a failure, one text. */
  report: MessagePort;
}

/** A connection by way of TLS: a socket with the plain bytes. */
export interface Secure {
  readonly descriptor: number;
  /** Why it has failed; null: TLS is not the reason. */
  failure(): string | null;
}

/**
 * Starts TLS on a connection: a thread of its own encrypts and decrypts, until either end closes. Everybody
 * else has a socket like any other.
 *
 * @param timeoutMs Of each plain read and write of that.
 */
export function startTls(server: number, tls: NbdTls, timeoutMs: number): Secure {
  const [descriptor, plain] = socketPair();
  setTimeouts(descriptor, timeoutMs);
  const { port1, port2 } = new MessageChannel();
  const workerData: TlsWorkerData = { server, plain, tls, report: port2 };
  const worker = new Worker(join(import.meta.dirname, '../host/nbd-tls-worker.js'), {
    workerData,
    transferList: [port2],
    name: 'sluice-tls',
  });
  // A thread that ends takes those along that it has started.
  if (isMainThread) worker.unref();
  port1.unref();
  const failure = (): string | null => receiveMessageOnPort(port1)?.message ?? null;
  return { descriptor, failure };
}
