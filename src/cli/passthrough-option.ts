import { parseFaults } from '../control/faults.js';
import { type MemberName, parseMember } from '../control/members.js';
import type { MountConfig } from '../server/config.js';
import { EXIT_MOUNT, refuse, SluiceError } from '../util/errors.js';

/** What a mount asks for, as far as passthrough hangs on it. */
type Asked = Pick<
  MountConfig,
  'passthrough' | 'images' | 'readOnly' | 'growable' | 'transport' | 'assignments'
>;

/**
 * Refuses images of `--passthrough` that the kernel cannot serve as the other options ask. What hangs on
 * the files is checked where they are opened.
 *
 * @param isRoot The kernel takes backing files from root alone.
 * @throws SluiceError EPERM, exit code 4; others, exit code 2
 */
export function checkPassthrough(asked: Asked, isRoot: boolean): void {
  const { passthrough, transport, assignments } = asked;
  const names = asked.images.map((image) => image.name);
  for (const name of passthrough) {
    const no = (why: string, errno?: string): SluiceError =>
      refuse(`--passthrough ${name}: ${why}`, errno);
    const image = asked.images.find((one) => one.name === name);
    if (image === undefined) {
      throw no(`no image is named "${name}"; images: ${names.join(', ')}`, 'ENOENT');
    }
    const { readOnly, growable } = { ...asked, ...image.own };
    if (image.overlay !== undefined)
      throw no('an overlay is not the bytes of its file; leave one out');
    if (readOnly) {
      const why = 'the kernel would change the access time of the file';
      throw no(`${why}; leave it or --read-only out`, 'EROFS');
    }
    if (!growable) {
      const why = 'the kernel does not stop writes past the end, so the image can grow';
      throw no(`${why}; add --growable`);
    }
    if (image.faults !== undefined && parseFaults(image.faults) !== null) {
      const why = 'the kernel reads and writes it, so no fault can be made';
      throw no(`${why}; leave out --faults ${name}:${image.faults}`);
    }
    if (transport === 'fuse-native') {
      throw no('fuse-native does not know passthrough; use --transport uring', 'EOPNOTSUPP');
    }
    const assigned = assignments.find(({ member }) => isImage(parseMember(member), name));
    if (assigned !== undefined) {
      const why = 'the kernel carries out its reads and writes, so no group can have it';
      throw no(`${why}; leave out --assign ${name}=${assigned.group || '/'}`, 'EBUSY');
    }
    if (isRoot) continue;
    const message = `--passthrough ${name}: only root may hand files to the kernel; mount as root`;
    throw new SluiceError(message, 'EPERM', EXIT_MOUNT);
  }
}

function isImage(member: MemberName, name: string): boolean {
  return member.kind === 'image' && member.name === name;
}
