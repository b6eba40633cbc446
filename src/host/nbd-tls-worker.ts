import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { workerData } from 'node:worker_threads';
import type { NbdTls } from '../nbd/uri.js';
import type { TlsWorkerData } from './nbd-tls.js';

/**
 * Entry of a thread that speaks TLS for one connection. It passes bytes on in both directions, as fast as
 * they are taken, and ends when either end closes.
 */

function readIfThere(folder: string, name: string): Buffer | undefined {
  try {
    return readFileSync(join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The files have the names that libnbd and QEMU give them. */
function certificatesOf({ certificates: folder }: NbdTls): ConnectionOptions {
  if (folder === null) return {};
  const ca = readIfThere(folder, 'ca-cert.pem');
  const cert = readIfThere(folder, 'client-cert.pem');
  const key = readIfThere(folder, 'client-key.pem');
  if (ca === undefined && cert === undefined) {
    throw new Error(`${folder}: there is neither ca-cert.pem nor client-cert.pem`);
  }
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function run({ server, plain, tls, report }: TlsWorkerData): void {
  const near = new Socket({ fd: plain });
  const far = new Socket({ fd: server });
  const fail = (error: Error): void => {
    report.postMessage(error.message);
    near.destroy();
    far.destroy();
  };
  near.on('error', fail);
  far.on('error', fail);
  try {
    const { hostname: servername } = tls;
    const isAddress = /^[0-9.]+$|:/.test(servername);
    const name = isAddress ? { host: servername } : { servername };
    const secure = connect({ socket: far, ...name, ...certificatesOf(tls) });
    secure.on('error', fail);
    secure.on('close', () => near.destroy());
    near.on('close', () => secure.destroy());
    near.pipe(secure).pipe(near);
  } catch (error) {
    fail(error as Error);
  }
}

run(workerData as TlsWorkerData);
