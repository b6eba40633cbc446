import { refuse } from '../util/errors.js';

/** A group in a store, and the way there. Plain data, without secrets. */
export interface StoreTarget {
  /** As the user wrote it, for messages. */
  readonly url: string;
  readonly kind: 'server' | 'cluster' | 'sentinel';
  readonly hasTls: boolean;
  /** The server; of a cluster or Sentinel, servers that know the others. Empty where `socket` is set. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Absolute path of a Unix socket. */
  readonly socket: string | null;
  /** Name for Sentinel; '' otherwise. */
  readonly master: string;
  /** Null: the store's default user. */
  readonly user: string | null;
  /** Absolute path of a file whose first line is the password. */
  readonly passwordFile: string | null;
  /** Absolute path of a file with the certificates to trust; null: the system's. */
  readonly caFile: string | null;
  /** The key of the group in the store. */
  readonly key: string;
}

const PORT = 6379;
const SENTINEL_PORT = 26_379;
const SCHEME = /^(?:valkey|redis)(s?)(?:\+(unix|cluster|sentinel))?:\/\//i;
const NAME = /^[A-Za-z0-9._:-]+(?:\/[A-Za-z0-9._:-]+)*$/;
const NAME_MAX = 200;

/**
 * Reads `valkey://[USER@]HOST[:PORT]/NAME[?password-file=PATH]`. `valkeys` has TLS (`ca-file=PATH`),
 * `valkey+unix:///NAME?socket=PATH` a Unix socket; `valkey+cluster` and `valkey+sentinel` (`master=NAME`) take
 * several hosts with `;` between them. `redis` and `rediss` mean the same.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseStoreUrl(url: string): StoreTarget {
  const [start, tls, transport = ''] = SCHEME.exec(url) ?? [];
  if (start === undefined) {
    const known = 'valkey://, valkeys://, valkey+unix://, valkey+cluster:// or valkey+sentinel://';
    throw refuse(`shared=${withoutPassword(url)}: expected ${known}`);
  }
  const wrong = (why: string): Error => refuse(`shared=${withoutPassword(url)}: ${why}`);
  const [, authority = '', path = '', query = ''] =
    /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url.slice(start.length)) ?? [];
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? null : decoded(authority.slice(0, at), wrong);
  if (user?.includes(':') === true || user === '') {
    throw wrong('a password here is seen by everybody; put it into a file, ?password-file=PATH');
  }
  const key = decoded(path, wrong);
  if (!NAME.test(key) || key.length > NAME_MAX) {
    throw wrong('name the group at the end: letters, digits, ".", "_", ":", "-", as in /gold');
  }
  const words = readQuery(query, wrong);
  const kind = transport.toLowerCase();
  const isSentinel = kind === 'sentinel';
  const socket = words.socket ?? null;
  if ((kind === 'unix') !== (socket !== null)) {
    throw wrong('valkey+unix:// and ?socket=PATH go together');
  }
  if (socket !== null && (at < 0 ? authority : authority.slice(at + 1)) !== '') {
    throw wrong('a Unix socket has no host');
  }
  if (isSentinel !== (words.master !== undefined)) {
    throw wrong('valkey+sentinel:// and ?master=NAME go together');
  }
  if (tls === '' && words['ca-file'] !== undefined) throw wrong('ca-file goes with valkeys://');
  const hosts = socket === null ? authority.slice(at + 1).split(';') : [];
  if (hosts.length > 1 && kind === '') throw wrong('only a cluster or Sentinel has several hosts');
  return {
    url,
    kind: isSentinel ? 'sentinel' : kind === 'cluster' ? 'cluster' : 'server',
    hasTls: tls !== '',
    nodes: hosts.map((text) => readNode(text, isSentinel ? SENTINEL_PORT : PORT, wrong)),
    socket,
    master: words.master ?? '',
    user,
    passwordFile: words['password-file'] ?? null,
    caFile: words['ca-file'] ?? null,
    key: `sluice:{${key}}`,
  };
}

/** A key of the store. Groups with the same key use one connection. */
export function storeKey({ url: _, key: __, ...store }: StoreTarget): string {
  return JSON.stringify(store);
}

const PATHS = ['socket', 'password-file', 'ca-file'];

function readQuery(query: string, wrong: (why: string) => Error): Record<string, string> {
  const words: Record<string, string> = {};
  for (const pair of query.split('&').filter((one) => one !== '')) {
    const [name = '', ...rest] = pair.split('=');
    const value = decoded(rest.join('='), wrong);
    if (![...PATHS, 'master'].includes(name)) {
      throw wrong(`there is no "${name}"; known: ${PATHS.join(', ')}, master`);
    }
    if (value === '' || words[name] !== undefined) throw wrong(`${name}: one value is needed`);
    if (PATHS.includes(name) && !value.startsWith('/')) {
      throw wrong(`${name}: the path has to begin with a slash`);
    }
    words[name] = value;
  }
  return words;
}

function readNode(text: string, usual: number, wrong: (why: string) => Error) {
  const [, address, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const host = address ?? name;
  const port = digits === undefined ? usual : Number(digits);
  if (host === undefined) throw wrong(`"${text}" is no host; write HOST or HOST:PORT`);
  if (port < 1 || port > 65_535) throw wrong(`there is no port ${digits}`);
  return { host, port };
}

function decoded(text: string, wrong: (why: string) => Error): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('a "%" needs two digits behind it; write %25 for the character');
  }
}

/** The URL for a message, without the part that may have a password. */
function withoutPassword(url: string): string {
  // A slash in it makes it look like a path, and in a query it has no place.
  return url.replace(/\/\/.*@/, '//...@').replaceAll(/([?&]pass[a-z]*=)[^&#]*/gi, '$1...');
}
