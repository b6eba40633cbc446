import { join } from 'node:path';
import { linkTarget } from '../sys/files.js';
import { runProgram } from '../sys/run-program.js';
import { EXIT_DAEMON, EXIT_FAILED, EXIT_MOUNT, fromRecord, SluiceError } from '../util/errors.js';
import { type Asked, askMount } from './api-client.js';
import { requestOfOrder } from './attach-request.js';
import { formatOrder, type ImageOrder } from './image-order.js';
import { ORDER_VARIABLE, type OrderReport, type Unreported } from './order-answer.js';
import { readOrderKey } from './order-key.js';
import { type DaemonStatus, readStatus, unavailable } from './status.js';

const WRITER = join(import.meta.dirname, '../server/order-writer.js');
/** The repair of a large image takes minutes, a flush on a slow disk too. The daemon answered a moment ago. */
const LIMIT_MS = 24 * 3600 * 1000;

/**
 * Has the daemon of a mount carry out an order about its images.
 *
 * @returns sentences for the user
 * @throws SluiceError that of the daemon
 */
export async function carryOut(mountpoint: string, order: ImageOrder): Promise<string[]> {
  const told = await orderBySocket(mountpoint, order);
  if (told !== null) return told;
  const status = await readStatus(mountpoint);
  if (status.kind !== 'alive') throw unavailable(mountpoint, status.kind);
  return orderByFiles(mountpoint, status.daemon, order);
}

/**
 * The same over its socket.
 *
 * @returns null: there is no socket for this user, here
 */
async function orderBySocket(mountpoint: string, order: ImageOrder): Promise<string[] | null> {
  const about = await askMount<{ pid: number }>(mountpoint, { method: 'GET', path: '/v1/mount' });
  if (about === null || isElsewhere(about.pid)) return null;
  const answer = await askMount<{ warnings?: string[] }>(mountpoint, {
    ...requestOf(order),
    limitMs: LIMIT_MS,
  });
  return answer && (answer.warnings ?? []);
}

function requestOf(order: ImageOrder): Asked {
  if (order.kind === 'attach') {
    return { method: 'POST', path: '/v1/images', body: requestOfOrder(order) };
  }
  if (order.kind === 'reload') return { method: 'POST', path: '/v1/reload' };
  const name = encodeURIComponent(order.name);
  if (order.kind === 'faults') {
    return { method: 'PUT', path: `/v1/faults/${name}`, body: { faults: order.faults } };
  }
  if (order.kind === 'overlay') {
    return { method: 'POST', path: `/v1/overlays/${name}`, body: { action: order.action } };
  }
  const path = `/v1/images/${name}`;
  if (order.kind === 'resize') return { method: 'PATCH', path, body: { size: order.size } };
  return { method: 'DELETE', path: order.force ? `${path}?force=true` : path };
}

/** The process sees other files than this one: a path means another file there, or none. */
function isElsewhere(pid: number): boolean {
  return linkTarget(`/proc/${pid}/ns/mnt`) !== linkTarget('/proc/self/ns/mnt');
}

/**
 * The same by the control files.
 *
 * @returns sentences for the user
 * @throws SluiceError that of the daemon; EACCES, exit code 4, for who has not all rights of the daemon
 */
export async function orderByFiles(
  mountpoint: string,
  { pid, fields }: DaemonStatus,
  order: ImageOrder,
): Promise<string[]> {
  const key = keyOf(mountpoint, pid, fields.key);
  // Everybody can read the words of a process, and only its user its environment.
  const env = { [ORDER_VARIABLE]: formatOrder(key, order) };
  const words = [WRITER, mountpoint];
  const { stdout, stderr, code } = await runProgram(process.execPath, words, LIMIT_MS, { env });
  if (code !== 0) throw new SluiceError(`${mountpoint}: ${stderr.trim()}`, 'EIO', EXIT_FAILED);
  const report = JSON.parse(stdout) as OrderReport | Unreported;
  if ('errno' in report) return checkUnreported(mountpoint, report);
  if (report.error !== null) throw fromRecord(report.error);
  return report.warnings;
}

function keyOf(mountpoint: string, pid: number, path: string | undefined): string {
  if (path === undefined) {
    const message = `${mountpoint}: its daemon is of a version that keeps its images; mount anew`;
    throw new SluiceError(message, 'EOPNOTSUPP', EXIT_FAILED);
  }
  const key = readOrderKey(path);
  if (key !== null && !isElsewhere(pid)) return key;
  const what = 'images come and go at the word of the user who mounted, outside of containers';
  throw new SluiceError(`${mountpoint}: ${what}: its daemon is pid ${pid}`, 'EACCES', EXIT_MOUNT);
}

/** Throws unless the order was carried out. */
function checkUnreported(mountpoint: string, { errno, reason }: Unreported): string[] {
  if (errno === '') return [];
  if (reason !== '') throw new SluiceError(reason.replace(/^images: /, ''), errno, EXIT_FAILED);
  throw unanswered(mountpoint, errno);
}

function unanswered(mountpoint: string, errno: string): SluiceError {
  if (errno === 'ENOTCONN' || errno === 'ECONNABORTED') {
    return new SluiceError(`${mountpoint}: its daemon has ended meanwhile`, errno, EXIT_DAEMON);
  }
  const isForbidden = errno === 'EACCES' || errno === 'EPERM';
  const what = isForbidden ? 'only the user who mounted it, or root, may do that' : errno;
  const exitCode = isForbidden ? EXIT_MOUNT : EXIT_FAILED;
  return new SluiceError(`${mountpoint}: ${what}`, errno, exitCode);
}
