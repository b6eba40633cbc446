import { refuse } from '../util/errors.js';

/** Largest change. cgroup takes a page; long lists of members need more. */
export const MAX_CHANGE_BYTES = 64 << 10;

/**
 * The text of one write(2) to a control file, without its last newline. Each write is a change of its own,
 * as in cgroup v2: a text in two writes is two changes, or two errors.
 *
 * @throws SluiceError EINVAL: longer than 64 KiB, no UTF-8, or with control characters in it.
 */
export function decodeChange(bytes: Uint8Array): string {
  if (bytes.length > MAX_CHANGE_BYTES) {
    throw refuse(`${bytes.length} bytes in one write; at most ${MAX_CHANGE_BYTES} are taken`);
  }
  const text = decodeUtf8(bytes);
  if (/[^\P{Cc}\n\t]/u.test(text)) throw refuse('control characters are no part of a setting');
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse('binary data; settings are text');
  }
}
