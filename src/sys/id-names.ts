import { readFileSync } from 'node:fs';

const FILES = { uid: '/etc/passwd', gid: '/etc/group' } as const;

/**
 * Number of a user or of a group of users by name; undefined if /etc/passwd or /etc/group does not have
 * it. Other sources, such as LDAP, are not asked: they may take seconds to answer.
 */
export function idOf(kind: 'uid' | 'gid', name: string): number | undefined {
  const lines = readFileSync(FILES[kind], 'utf8').split('\n');
  const fields = lines.map((line) => line.split(':')).find(([first]) => first === name);
  return fields === undefined ? undefined : Number(fields[2]);
}
