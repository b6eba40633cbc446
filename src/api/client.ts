import { type BigIntStats, statSync } from 'node:fs';
import { Agent } from 'node:http';
import { findMountpoint } from '../cli/find-mountpoint.js';
import { parseImageArgument } from '../cli/image-argument.js';
import { absoluteImage } from '../cli/working-directory.js';
import { ourMount } from '../fuse/mount-point.js';
import { askMount } from '../server/api-client.js';
import type { AttachRequest } from '../server/api-schema.js';
import { DISCARD } from '../server/config.js';
import { socketOf } from '../server/socket-path.js';
import { readStatus, unavailable } from '../server/status.js';
import { EXIT_MOUNT, refuse, SluiceError } from '../util/errors.js';
import { asApiErrors } from './api-error.js';
import type { ImageRequest, Mount } from './types.js';

/** The repair of a large image takes minutes, a commit hours. */
const LONG_MS = 24 * 3600 * 1000;

/** A daemon takes 512 clients at once: a program with thousands of requests is no reason to refuse others. */
const agent = new Agent({ maxSockets: 64 });

/** An image as the socket takes it: the daemon knows no working directory of others. A text is `[NAME=]IMAGE`. */
export function requestOf(image: string | ImageRequest): AttachRequest {
  const request: ImageRequest =
    typeof image === 'string' ? parseImageArgument(image, process.cwd()) : image;
  const resolve = (path: string) => absoluteImage('the image', path, process.cwd());
  // The schema refuses a value that is no text.
  const resolved = <Value>(value: Value): Value => {
    if (Array.isArray(value)) return value.map(resolved) as Value;
    return typeof value === 'string' && value !== DISCARD ? (resolve(value) as Value) : value;
  };
  if (typeof request?.path !== 'string') throw refuse('an image: its path is missing');
  const { path, overlay, cacheFile, dataFiles, backingFiles } = request;
  return {
    ...request,
    path: resolve(path),
    ...(overlay !== undefined && { overlay: resolved(overlay) }),
    ...(cacheFile !== undefined && { cacheFile: resolved(cacheFile) }),
    ...(dataFiles !== undefined && { dataFiles: resolved(dataFiles) }),
    ...(backingFiles !== undefined && { backingFiles: resolved(backingFiles) }),
  };
}

/**
 * A mount whose daemon has answered.
 *
 * @param mountpoint As the kernel knows it.
 * @throws SluiceError EACCES without a socket for this user
 */
export async function connectTo(
  mountpoint: string,
  warnings: readonly string[] = [],
): Promise<Mount> {
  const mount = mountAt(mountpoint, warnings, socketAt(mountpoint));
  await mount.about();
  return mount;
}

/** The socket of a mount, by what no other socket has at the same time or later. Null: there is none for this user. */
function socketAt(mountpoint: string): string | null {
  const mount = ourMount(mountpoint);
  const path = mount === null ? null : socketOf(mount);
  const found = path === null ? undefined : statAt(path);
  return found === undefined ? null : `${path} ${found.ino} ${found.ctimeNs}`;
}

function statAt(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** @param socket Of the mount that is meant: another one may come to its place. */
function mountAt(mountpoint: string, warnings: readonly string[], socket: string | null): Mount {
  const checkPlace = (): void => {
    const now = socketAt(mountpoint);
    if (now === null || socket === null || now === socket) return;
    const message = `${mountpoint}: another mount is there now; connect to it`;
    throw new SluiceError(message, 'ESTALE', EXIT_MOUNT);
  };
  /** @param path after `/v1/`; a function may refuse what it is made of */
  const ask = <Answer>(
    method: string,
    path: string | (() => string),
    body?: object,
  ): Promise<Answer> =>
    asApiErrors(async () => {
      const limit = method === 'GET' ? {} : { limitMs: LONG_MS };
      if (body !== undefined) checkPlain(body);
      const place = typeof path === 'string' ? path : path();
      checkPlace();
      const asked = { method, path: `/v1/${place}`, agent, ...limit, ...(body && { body }) };
      const answer = await askMount<Answer>(mountpoint, asked);
      if (answer === null) throw await unreachable(mountpoint);
      return answer;
    });
  /** One field of an answer. */
  const part = async <Name extends string, Part>(
    name: Name,
    answer: Promise<Record<Name, Part>>,
  ): Promise<Part> => (await answer)[name];
  const named = (folder: string, name: string, query = '') => {
    return () => `${folder}/${encodeURIComponent(nameOf(name))}${query}`;
  };
  return {
    mountpoint,
    warnings,
    about: () => ask('GET', 'mount'),
    stat: (group) => {
      const asked = () => `stat?group=${encodeURIComponent(textOf('a group', group))}`;
      return ask('GET', group === undefined ? 'stat' : asked);
    },
    groups: () => part('groups', ask('GET', 'groups')),
    set: (group, settings, options) =>
      asApiErrors(async () => {
        if (typeof settings !== 'object' || settings === null) {
          throw refuse('the settings: expected an object such as { bps: 1000000 }');
        }
        await ask(isAsked('create', options) ? 'PUT' : 'PATCH', named('groups', group), settings);
      }),
    remove: async (group) => {
      await ask('DELETE', named('groups', group));
    },
    images: () => part('images', ask('GET', 'images')),
    partitions: () => part('partitions', ask('GET', 'partitions')),
    attach: (image) => asApiErrors(async () => ask('POST', 'images', requestOf(image))),
    detach: (name, options) =>
      asApiErrors(async () => {
        await ask('DELETE', named('images', name, isAsked('force', options) ? '?force=true' : ''));
      }),
    resize: (name, size) => {
      return part('image', ask('PATCH', named('images', name), { size: size ?? null }));
    },
    overlay: (name, action) => ask('POST', named('overlays', name), { action }),
    faults: (name, faults) => part('image', ask('PUT', named('faults', name), { faults })),
    save: () => ask('GET', 'config'),
    reload: () => part('warnings', ask('POST', 'reload')),
    umount: (options) =>
      asApiErrors(async () => {
        const force = isAsked('force', options);
        checkPlace();
        const { endMount } = await import('../server/end-mount.js');
        await endMount(mountpoint, force);
      }),
  };
}

/** What programs without types give. @throws SluiceError EINVAL, exit code 2 */
export function textOf(what: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw refuse(`${what}: expected a text`);
}

function nameOf(value: unknown): string {
  const name = textOf('a name', value);
  if (name === '') throw refuse('a name: is empty');
  return name;
}

/** @throws SluiceError EINVAL, exit code 2: what stands for neither yes nor no might do harm */
function isAsked(key: string, options: unknown): boolean {
  const value = (options as Record<string, unknown> | null | undefined)?.[key] ?? false;
  if (typeof value === 'boolean') return value;
  throw refuse(`${key}: expected true or false`);
}

/**
 * JSON would leave a function out, and make null of NaN.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
function checkPlain(body: object): void {
  const seen = (key: string, value: unknown): unknown => {
    const isNumber = typeof value === 'number' && Number.isFinite(value);
    if (isNumber || value === undefined || value === null) return value;
    if (['string', 'boolean', 'object'].includes(typeof value)) return value;
    throw refuse(`${key}: ${String(value)} is no value; expected a text, or a number`);
  };
  try {
    JSON.stringify(body, seen);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw refuse('a value has itself in it; expected a text, or a number');
  }
}

/** Why the socket of a mount did not answer. */
async function unreachable(mountpoint: string): Promise<SluiceError> {
  // Throws if the mount is gone.
  const point = findMountpoint(mountpoint, '/');
  const { kind } = await readStatus(point);
  if (kind === 'dead' || kind === 'hung') return unavailable(point, kind);
  const what = 'its socket cannot be reached by this user here; docs/api.md says where it is';
  return new SluiceError(`${point}: ${what}`, 'EACCES', EXIT_MOUNT);
}
