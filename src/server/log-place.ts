import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The facts that decide the place of the log. */
export interface LogUser {
  uid: number;
  /** $XDG_STATE_HOME; an empty one counts as missing, as the XDG specification says. */
  stateHome: string | undefined;
  home: string;
}

/** Where a background daemon logs if `--log` does not say. */
export function defaultLogFile(user: LogUser): string {
  if (user.uid === 0) return '/var/log/sluice.log';
  const state = user.stateHome?.startsWith('/')
    ? user.stateHome
    : join(user.home, '.local', 'state');
  return join(state, 'sluice', 'sluice.log');
}

/**
 * The log of this mount: FILE of `--log`, or the default place, whose folder is made.
 *
 * @throws the error of mkdir
 */
export function findLogFile(asked: string | null): string {
  if (asked !== null) return asked;
  const { XDG_STATE_HOME: stateHome } = process.env;
  const path = defaultLogFile({ uid: process.getuid?.() ?? 0, stateHome, home: homedir() });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return path;
}
