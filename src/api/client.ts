import { absoluteImage } from '../cli/working-directory.js';
import { askMount } from '../server/api-client.js';
import type { AttachRequest } from '../server/api-schema.js';
import { DISCARD } from '../server/config.js';
import { EXIT_MOUNT, refuse, SluiceError } from '../util/errors.js';
import { asApiErrors } from './api-error.js';
import type { ImageRequest, Mount } from './types.js';

/** The repair of a large image takes minutes, a commit hours. */
const LONG_MS = 24 * 3600 * 1000;

/** An image as the socket takes it: the daemon knows no working directory of others. */
export function requestOf(image: string | ImageRequest): AttachRequest {
  const request = typeof image === 'string' ? { path: image } : image;
  const resolve = (path: string) => absoluteImage('the path', path, process.cwd());
  if (typeof request?.path !== 'string') throw refuse('an image: its path is missing');
  const { path, overlay, dataFiles, backingFiles } = request;
  return {
    ...request,
    path: resolve(path),
    ...(overlay !== undefined && { overlay: overlay === DISCARD ? overlay : resolve(overlay) }),
    ...(dataFiles !== undefined && { dataFiles: dataFiles.map(resolve) }),
    ...(backingFiles !== undefined && { backingFiles: backingFiles.map(resolve) }),
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
  const mount = mountAt(mountpoint, warnings);
  await mount.about();
  return mount;
}

function mountAt(mountpoint: string, warnings: readonly string[]): Mount {
  const ask = <Answer>(method: string, path: string, body?: object): Promise<Answer> =>
    asApiErrors(async () => {
      const limit = method === 'GET' ? {} : { limitMs: LONG_MS };
      const asked = { method, path: `/v1/${path}`, ...limit, ...(body && { body }) };
      const answer = await askMount<Answer>(mountpoint, asked);
      if (answer === null) throw unreachable(mountpoint);
      return answer;
    });
  /** One field of an answer. */
  const part = async <Name extends string, Part>(
    name: Name,
    answer: Promise<Record<Name, Part>>,
  ): Promise<Part> => (await answer)[name];
  const named = (folder: string, name: string) => `${folder}/${encodeURIComponent(name)}`;
  return {
    mountpoint,
    warnings,
    about: () => ask('GET', 'mount'),
    stat: (group) => {
      return ask('GET', group === undefined ? 'stat' : `stat?group=${encodeURIComponent(group)}`);
    },
    groups: () => part('groups', ask('GET', 'groups')),
    set: async (group, settings, { create = false } = {}) => {
      await ask(create ? 'PUT' : 'PATCH', named('groups', group), settings);
    },
    remove: async (group) => {
      await ask('DELETE', named('groups', group));
    },
    images: () => part('images', ask('GET', 'images')),
    partitions: () => part('partitions', ask('GET', 'partitions')),
    attach: (image) => asApiErrors(async () => ask('POST', 'images', requestOf(image))),
    detach: async (name, { force = false } = {}) => {
      await ask('DELETE', `${named('images', name)}${force ? '?force=true' : ''}`);
    },
    resize: (name, size) => {
      return part('image', ask('PATCH', named('images', name), { size: size ?? null }));
    },
    overlay: (name, action) => ask('POST', named('overlays', name), { action }),
    faults: (name, faults) => part('image', ask('PUT', named('faults', name), { faults })),
    save: () => ask('GET', 'config'),
    reload: () => part('warnings', ask('POST', 'reload')),
    umount: ({ force = false } = {}) =>
      asApiErrors(async () => {
        const { endMount } = await import('../server/end-mount.js');
        await endMount(mountpoint, force);
      }),
  };
}

function unreachable(mountpoint: string): SluiceError {
  const what = 'its socket cannot be reached by this user here; docs/api.md says where it is';
  return new SluiceError(`${mountpoint}: ${what}`, 'EACCES', EXIT_MOUNT);
}
