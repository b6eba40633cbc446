import { refuse } from '../util/errors.js';
import { escapeName, unescapeName } from './names.js';

/** Kinds of callers that a rule can name. */
export const RULE_KINDS = ['uid', 'gid', 'pid', 'cgroup'] as const;

/** A member as `members` writes it: an image, or a rule about callers. */
export type MemberName =
  | { kind: 'image'; name: string }
  | { kind: 'uid'; id: number }
  | { kind: 'gid'; id: number }
  /** `uid:NAME` or `gid:NAME`. The number is looked up when the change is made. */
  | { kind: 'named'; of: 'uid' | 'gid'; name: string }
  | { kind: 'pid'; id: number }
  /** Without a slash at its end; `/` is every process. */
  | { kind: 'cgroup'; path: string };

/** Is a member an image of that name, or a partition of it? Both names as they are, without escapes. */
export function isOfImage(member: string, image: string): boolean {
  return member.replace(/\.p[1-9][0-9]*$/, '') === image || member === image;
}

/** One line that is written to `members`. */
export interface MemberChange {
  member: MemberName;
  /** `-uid:1000` removes a rule. Without the sign the member moves to the group. */
  remove: boolean;
}

/** Ids are 32 bits, and the largest means "no id" to the kernel. */
const MAX_ID = 4_294_967_294;
/** Names that useradd(8) takes, and names with a domain. */
const ID_NAME = /^[\p{L}_][\p{L}\p{N}_.@\\-]*\$?$/u;
/** The kernel's PID_MAX_LIMIT on 64 bits. */
const MAX_PID = 4_194_304;

/**
 * Parses `members`: one member a line. `uid:1000`, `gid:users`, `pid:4242` and `cgroup:/build` are
 * rules. Anything else is the name of an image, with or without escapes (names.ts).
 *
 * @throws SluiceError EINVAL, ERANGE (a number that no id can have); exit code 2.
 */
export function parseMembers(text: string): MemberChange[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) throw refuse('no member given; write for instance uid:1000');
  const changes = lines.map((line) => parseChange(line.trim()));
  const seen = new Set<string>();
  for (const { member } of changes) {
    const name = formatMember(member);
    if (seen.has(name)) throw refuse(`${name}: given twice`);
    seen.add(name);
  }
  return changes;
}

function parseChange(line: string): MemberChange {
  const rule = line.startsWith('-') ? parseMember(line.slice(1)) : null;
  // An image's name may begin with a minus sign; images are never removed.
  if (rule !== null && rule.kind !== 'image') return { member: rule, remove: true };
  return { member: parseMember(line), remove: false };
}

/** One member, with its name escaped or as it is. Throws EINVAL, ERANGE. */
export function parseMember(written: string): MemberName {
  const text = unescapeName(written);
  const colon = text.indexOf(':');
  const kind = RULE_KINDS.find((one) => one === text.slice(0, Math.max(colon, 0)));
  const value = text.slice(colon + 1);
  switch (kind) {
    case undefined:
      if (text === '') throw refuse('the member has no name');
      return { kind: 'image', name: text };
    case 'cgroup':
      return { kind, path: parseCgroup(text, value) };
    case 'pid':
      return { kind, id: parseId(text, value, 1, MAX_PID) };
    default:
      if (ID_NAME.test(value)) return { kind: 'named', of: kind, name: value };
      return { kind, id: parseId(text, value, 0, MAX_ID) };
  }
}

/** One change a line, as `parseMembers` takes them. */
export function formatMembers(changes: readonly MemberChange[]): string {
  const lines = changes.map(({ member, remove }) => `${remove ? '-' : ''}${formatMember(member)}`);
  return lines.join('\n');
}

/** True for a text that names a rule and so cannot be the name of an image. */
export function looksLikeRule(text: string): boolean {
  return RULE_KINDS.some((kind) => text.startsWith(`${kind}:`) || text.startsWith(`-${kind}:`));
}

/** A member in words: `web`, `uid:1000`, `cgroup:/build`. */
export function memberText(member: MemberName): string {
  if (member.kind === 'image') return member.name;
  if (member.kind === 'named') return `${member.of}:${member.name}`;
  return `${member.kind}:${member.kind === 'cgroup' ? member.path : member.id}`;
}

/** The member as control files write it; see names.ts. */
export function formatMember(member: MemberName): string {
  return escapeName(memberText(member));
}

function parseId(word: string, text: string, min: number, max: number): number {
  const expected = max === MAX_ID ? 'a name or a number' : 'a number';
  if (!/^[0-9]+$/.test(text)) throw refuse(`${word}: expected ${expected} from ${min} to ${max}`);
  const id = Number(text);
  if (id < min || id > max) throw refuse(`${word}: not from ${min} to ${max}`, 'ERANGE');
  return id;
}

function parseCgroup(word: string, text: string): string {
  if (!text.startsWith('/')) {
    throw refuse(`${word}: expected a path as in /proc/PID/cgroup, such as cgroup:/build`);
  }
  const path = text.replace(/\/$/, '');
  const parts = path.split('/').slice(1);
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw refuse(`${word}: a part of the path is empty, "." or ".."`);
  }
  return path === '' ? '/' : path;
}
