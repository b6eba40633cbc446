import type { MountConfig } from '../server/config.js';
import { EXIT_MOUNT, refuse, SluiceError } from '../util/errors.js';

/** What a mount asks for, as far as passthrough hangs on it. */
type Asked = Pick<
  MountConfig,
  'passthrough' | 'images' | 'readOnly' | 'growable' | 'transport' | 'assignments'
> & { overlay: boolean };

/**
 * Refuses images of `--passthrough` that the kernel cannot serve as the other options ask. What hangs on
 * the files is checked where they are opened.
 *
 * @param isRoot The kernel takes backing files from root alone.
 * @throws SluiceError EPERM, exit code 4; others, exit code 2
 */
export function checkPassthrough(asked: Asked, isRoot: boolean): void {
  const names = asked.images.map((image) => image.name);
  for (const name of asked.passthrough) {
    const what = `--passthrough ${name}`;
    if (!names.includes(name)) {
      throw refuse(`${what}: no image is named "${name}"; images: ${names.join(', ')}`, 'ENOENT');
    }
    const [errno, why] = hindrance(asked, name);
    if (why !== null) throw refuse(`${what}: ${why}`, errno);
    if (isRoot) continue;
    const message = `${what}: only root may hand files to the kernel; mount as root`;
    throw new SluiceError(message, 'EPERM', EXIT_MOUNT);
  }
}

function hindrance(asked: Asked, name: string): readonly [string, string | null] {
  if (asked.overlay) return ['EINVAL', 'an overlay is not the bytes of its file; leave one out'];
  if (asked.readOnly) {
    const why = 'the kernel would change the access time of the file; leave it or --read-only out';
    return ['EROFS', why];
  }
  if (!asked.growable) {
    const why =
      'the kernel does not stop writes past the end, so the image can grow; add --growable';
    return ['EINVAL', why];
  }
  if (asked.transport === 'fuse-native') {
    return ['EOPNOTSUPP', 'fuse-native does not know passthrough; use --transport uring'];
  }
  const assigned = asked.assignments.find(({ member }) => member === name);
  if (assigned === undefined) return ['', null];
  const what = `the kernel carries out its reads and writes, so no group can have it`;
  return ['EBUSY', `${what}; leave out --assign ${name}=${assigned.group || '/'}`];
}
