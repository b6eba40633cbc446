import type { MountConfig } from '../server/config.js';
import { idOf } from '../sys/id-names.js';
import { refuse } from '../util/errors.js';
import type { MountArguments } from './mount-options.js';

/** (uid_t)-1 and (gid_t)-1 mean "none" to every system call. */
const LARGEST_ID = 0xfffffffe;

/**
 * Reads --owner and --mode.
 *
 * @throws SluiceError EINVAL, exit code 2: an unknown name, a bit other than rwx, or an owner that the
 *   kernel would refuse access to the mount.
 */
export function parseOwnership(
  { owner, mode }: MountArguments,
  allowOther: boolean,
): Pick<MountConfig, 'owner' | 'mode'> {
  if (mode !== undefined && !/^0?[0-7]{1,3}$/.test(mode)) {
    throw refuse(`--mode ${mode}: expected permission bits in octal, from 0 to 0777`);
  }
  return {
    owner: owner === undefined ? null : parseOwner(owner, allowOther),
    mode: mode === undefined ? null : Number.parseInt(mode, 8),
  };
}

function parseOwner(text: string, allowOther: boolean): { uid: number; gid: number } {
  const [user = '', group, ...rest] = text.split(':');
  if (user === '' || group === '' || rest.length > 0) {
    throw refuse(`--owner ${text}: expected USER or USER:GROUP, by name or number`);
  }
  const uid = parseId('uid', user, text);
  const gid = group === undefined ? process.getgid!() : parseId('gid', group, text);
  if (uid !== process.getuid!() && !allowOther) {
    throw refuse(`--owner ${text}: the kernel shuts other users out; add --allow-other`);
  }
  return { uid, gid };
}

function parseId(kind: 'uid' | 'gid', word: string, text: string): number {
  const id = /^[0-9]{1,10}$/.test(word) ? Number(word) : idOf(kind, word);
  if (id !== undefined && id <= LARGEST_ID) return id;
  const what = kind === 'uid' ? 'user' : 'group';
  throw refuse(`--owner ${text}: there is no ${what} ${word}; give its number`);
}
