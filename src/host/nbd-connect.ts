import { type Agreed, greet, type Handshake, negotiate } from '../nbd/handshake.js';
import { CAN_BE_READ_ONLY, CAN_FLUSH, CAN_MULTI_CONN } from '../nbd/protocol.js';
import type { NbdTarget } from '../nbd/uri.js';
import { close } from '../sys/libc.js';
import {
  connectTcp,
  connectUnix,
  type SocketCall,
  socketRead,
  socketWrite,
} from '../sys/sockets.js';
import { errnoName } from '../util/errno.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { NbdExport } from './nbd-export.js';
import { startTls } from './nbd-tls.js';

/** A connection that is ready for requests. */
export interface Connected {
  readonly descriptor: number;
  readonly agreed: Agreed;
}

/**
 * Connects to a server and opens the export, by calls that wait.
 *
 * @param timeoutMs Of each step.
 * @throws SluiceError exit code 1 if the server or the export cannot be reached, 3 if it is refused
 */
export function connect(target: NbdTarget, timeoutMs: number): Connected {
  const { uri, exportName, tls } = target;
  let descriptor = dial(target, timeoutMs);
  try {
    shake(descriptor, uri, timeoutMs, greet(uri, tls !== null));
    if (tls === null) return agree(descriptor, uri, exportName, timeoutMs);
    const secure = startTls(descriptor, tls, timeoutMs);
    descriptor = secure.descriptor;
    try {
      return agree(descriptor, uri, exportName, timeoutMs);
    } catch (error) {
      const why = secure.failure();
      throw why === null ? error : notReached(uri, `TLS: ${why}`, 'EPROTO');
    }
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

function agree(descriptor: number, uri: string, exportName: string, timeoutMs: number): Connected {
  const agreed = shake(descriptor, uri, timeoutMs, negotiate(uri, exportName));
  return { descriptor, agreed };
}

/** More connections to the same export, if its server allows them; those that it refuses are left out. */
export function connectMore(
  target: NbdTarget,
  { agreed }: Connected,
  timeoutMs: number,
  most: number,
): number[] {
  const descriptors: number[] = [];
  if ((agreed.flags & CAN_MULTI_CONN) === 0) return descriptors;
  try {
    while (descriptors.length + 1 < most) descriptors.push(connect(target, timeoutMs).descriptor);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
  return descriptors;
}

/** Why an export cannot take the place of the one that was there; null if it can. */
export function changeOf(
  { agreed: was, readOnly }: Pick<NbdExport, 'agreed' | 'readOnly'>,
  now: Agreed,
): string | null {
  if (now.size < was.size) return `the export has shrunk from ${was.size} to ${now.size} bytes`;
  if (now.minimumBlock > was.minimumBlock) return `blocks have ${now.minimumBlock} bytes now`;
  const gained = now.flags & ~was.flags;
  const lost = was.flags & ~now.flags;
  if (!readOnly && (gained & CAN_BE_READ_ONLY) !== 0) return 'nobody may write the export now';
  if (!readOnly && (lost & CAN_FLUSH) !== 0) return 'the server cannot flush now';
  return null;
}

function dial({ uri, socket, host, port }: NbdTarget, timeoutMs: number): number {
  const result =
    socket === null ? connectTcp(host, port, timeoutMs) : connectUnix(socket, timeoutMs);
  if (typeof result === 'string') throw notReached(uri, `${host}: ${result}`, 'EHOSTUNREACH');
  if (result >= 0) return result;
  const name = errnoName(result);
  throw notReached(uri, SENTENCES[name] ?? name, name);
}

const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no server listens there',
  ENOENT: 'there is no such socket: no server listens',
  EACCES: 'no permission to connect to the socket',
  ETIMEDOUT: 'the server does not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};

function notReached(uri: string, why: string, errno: string): SluiceError {
  return new SluiceError(`${uri}: ${why}`, errno, EXIT_FAILED);
}

/** Runs a part of the handshake on a socket that waits. */
function shake<T>(descriptor: number, uri: string, timeoutMs: number, part: Handshake<T>): T {
  const end = performance.now() + timeoutMs;
  let step = part.next(new Uint8Array(0));
  while (!step.done) {
    const { send, receive } = step.value;
    // A server that says a byte now and then must not hold anybody up.
    if (performance.now() > end) throw notReached(uri, SENTENCES.ETIMEDOUT!, 'ETIMEDOUT');
    if (send !== null) transfer(descriptor, uri, socketWrite, send);
    const received = new Uint8Array(receive);
    transfer(descriptor, uri, socketRead, received);
    step = part.next(received);
  }
  return step.value;
}

function transfer(descriptor: number, uri: string, call: SocketCall, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const got = call(descriptor, bytes.subarray(done));
    if (got < 0) {
      const name = errnoName(got);
      throw notReached(uri, SENTENCES[name] ?? `the connection fails: ${name}`, name);
    }
    if (got === 0) throw notReached(uri, 'the server has closed the connection', 'ECONNRESET');
    done += got;
  }
}
