import { refuse } from '../util/errors.js';
import { NBD_PORT } from './protocol.js';

/** An export of a server, and the way to it. Plain data. */
export interface NbdTarget {
  /** The URI as messages show it. It has no secrets: those are in files. */
  readonly uri: string;
  /** Name of the export; '' is the server's default. */
  readonly exportName: string;
  /** Absolute path of a Unix socket; null: `host` and `port` count. */
  readonly socket: string | null;
  readonly host: string;
  readonly port: number;
  /** Null: no TLS. */
  readonly tls: NbdTls | null;
}

export interface NbdTls {
  /** Folder with ca-cert.pem, and client-cert.pem and client-key.pem or neither; null: the system's CAs. */
  readonly certificates: string | null;
  /** The name that the server's certificate must have. */
  readonly hostname: string;
}

const SCHEME = /^(nbds?)(\+[a-z]+)?:\/\//i;

/** Longest name of an export, bytes. */
const NAME_MAX = 4096;
/** Longest path of a Unix socket, bytes: struct sockaddr_un without the last NUL. */
const SOCKET_MAX = 107;

/** Is it the URI of an export? Any other text is a path: no path of a file has two slashes there. */
export function isNbdUri(text: string): boolean {
  return SCHEME.test(text);
}

/**
 * Reads `nbd://host[:port]/export`, `nbd+unix:///export?socket=PATH`, and `nbds` with TLS
 * (doc/uri.md of the NBD project).
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseNbdUri(uri: string): NbdTarget {
  const [start, scheme, transport] = SCHEME.exec(uri)!;
  const isUnix = transport?.toLowerCase() === '+unix';
  const wrong = (why: string): Error => refuse(`${withoutSecrets(uri)}: ${why}`);
  if (transport !== undefined && !isUnix) {
    throw wrong(`"${start}" is not known; use nbd://, nbd+unix://, nbds:// or nbds+unix://`);
  }
  const [, authority, path, query, fragment] =
    /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/s.exec(uri.slice(start.length))!;
  if (fragment !== undefined) throw wrong('"#" has no meaning here; write %23 for the character');
  if (authority!.includes('@')) {
    throw wrong('a user name is not supported; TLS takes certificates: tls-certificates=DIR');
  }
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      throw wrong(`${JSON.stringify(text)} has a "%" without two digits behind it; write %25`);
    }
  };
  const given = new Map<string, string>();
  for (const word of (query ?? '').split('&').filter((one) => one !== '')) {
    const [name, ...value] = word.split('=');
    if (given.has(name!)) throw wrong(`"${name}" is given twice`);
    given.set(name!, decode(value.join('=')));
  }
  const take = (name: string): string | null => {
    const value = given.get(name) ?? null;
    given.delete(name);
    return value;
  };
  const socket = take('socket');
  const place = isUnix ? unixPlace(authority!, socket, wrong) : tcpPlace(authority!, socket, wrong);
  const certificates = take('tls-certificates');
  const hostname = take('tls-hostname');
  const hasTls = scheme!.toLowerCase() === 'nbds';
  if (!hasTls && (certificates ?? hostname) !== null) {
    throw wrong('tls-certificates and tls-hostname go with nbds:// and nbds+unix://');
  }
  if (certificates !== null && !certificates.startsWith('/')) {
    throw wrong(`tls-certificates=${certificates}: the path must be absolute`);
  }
  for (const name of given.keys()) {
    throw wrong(`"${name}" is not known; known are socket, tls-certificates, tls-hostname`);
  }
  const exportName = decode(path ?? '');
  if (Buffer.byteLength(exportName) > NAME_MAX) {
    throw wrong(`the name of the export is longer than ${NAME_MAX} bytes`);
  }
  const tls = hasTls ? { certificates, hostname: hostname ?? (place.host || 'localhost') } : null;
  return { uri, exportName, ...place, tls };
}

type Place = Pick<NbdTarget, 'socket' | 'host' | 'port'>;

function unixPlace(authority: string, socket: string | null, wrong: (why: string) => Error): Place {
  if (authority !== '') throw wrong('a Unix socket has no host: write three slashes');
  if (socket === null || !socket.startsWith('/')) {
    throw wrong('socket=PATH with an absolute path must name the socket');
  }
  if (Buffer.byteLength(socket) > SOCKET_MAX || socket.includes('\0')) {
    throw wrong(`the path of a socket has at most ${SOCKET_MAX} bytes, and no NUL`);
  }
  return { socket, host: '', port: 0 };
}

function tcpPlace(authority: string, socket: string | null, wrong: (why: string) => Error): Place {
  if (socket !== null) throw wrong('socket=PATH goes with nbd+unix:// and nbds+unix://');
  const [, brackets, plain, digits] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*))(?::([0-9]*))?$/.exec(authority) ?? [];
  const host = brackets ?? plain;
  if (host === undefined) throw wrong(`"${authority}" is not HOST, HOST:PORT or [IPv6]:PORT`);
  const port = digits === undefined || digits === '' ? NBD_PORT : Number(digits);
  if (port < 1 || port > 65535) throw wrong(`the port ${digits} is not between 1 and 65535`);
  return { socket: null, host: host === '' ? 'localhost' : host, port };
}

/** The URI for a message: a user's name and password are left out. */
function withoutSecrets(uri: string): string {
  return uri.replace(/:\/\/[^/?#]*@/, '://');
}
