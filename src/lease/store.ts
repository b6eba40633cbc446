import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import { RATES } from '../throttle/limits.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { oneLine } from '../util/one-line.js';
import type { StoreTarget } from './address.js';
import type { Fault } from './figures.js';
import type { Reply, Report } from './lease.js';
import { SCRIPT, SCRIPT_VERSION } from './script.js';

/** Why a report has no answer. */
export class StoreError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault, message: string) {
    super(message);
    this.name = 'StoreError';
    this.fault = fault;
  }
}

const RETRY_MS = 250;
/** Room for a store that takes a second, and for a SYN that is sent again. */
const CONNECT_MS = 3000;
/** If an answer is due and none has come for this long, the connection is made anew. */
const SILENT_MS = 2500;

/** The words of an error, and what they mean. The text is the server's: codes come first in it. */
const MEANINGS: readonly (readonly [code: RegExp, fault: Fault, sentence: string])[] = [
  [
    /^(NOAUTH|WRONGPASS)|without any password|unauthenticated/,
    'denied',
    'the user or password is wrong',
  ],
  [/^NOPERM/, 'denied', 'the user may not run scripts with INFO, TIME and hashes on this key'],
  [/WRONGTYPE/, 'type', 'the key of this name has something else in it; choose another name'],
  [/SLUICEVERSION/, 'version', 'the group is kept by daemons of another version'],
  [/^READONLY/, 'refused', 'it is a replica; name its master, or write valkey+sentinel://'],
  [/^(MOVED|ASK) /, 'refused', 'it is a server of a cluster; write valkey+cluster://'],
  [/^OOM|allow-oom/, 'refused', 'its memory is full; see its maxmemory'],
  [/^NOREPLICAS/, 'refused', 'it has fewer replicas than its min-replicas-to-write'],
  [/unknown command 'sentinel'/i, 'refused', 'it is no Sentinel; for a server write valkey://'],
  [/unknown command/, 'refused', 'it runs no scripts; for a Sentinel write valkey+sentinel://'],
  [/No such master/, 'refused', 'the Sentinels know no master of this name'],
  [/refresh slots cache/, 'lost', 'no server of a cluster answers there'],
];

function errorOf(error: Error): StoreError {
  const text = error.message;
  for (const [code, fault, sentence] of MEANINGS) {
    if (code.test(text)) return new StoreError(fault, sentence);
  }
  const isReply = error.name === 'ReplyError' && !/^(LOADING|MASTERDOWN|CLUSTERDOWN)/.test(text);
  return new StoreError(isReply ? 'refused' : 'lost', oneLine(text) || 'no answer');
}

/** The words of a report, as the script takes them. */
function wordsOf({ id, seq, weight, leaves, limits, wants, held }: Report): (string | number)[] {
  return [SCRIPT_VERSION, id, seq, weight, leaves ? 1 : 0, ...limits, ...wants, ...held];
}

/** Grants in an answer, by its state. */
const GRANTS: Readonly<Record<string, number>> = {
  ...{ granted: RATES.length, learning: RATES.length, stale: 0, left: 0 },
};

/**
 * Reads an answer of the script. @throws StoreError for any other: a limit that is no number would be none at all
 */
export function replyOf(text: string): Reply {
  const [state = '', count = '0', ...words] = text.split(' ');
  const [peers, grants] = [Number(count), words.map(Number)];
  const places = GRANTS[state];
  const isWhole = places === grants.length && [peers, ...grants].every(Number.isFinite);
  if (isWhole) return { state: state as Reply['state'], peers, grants };
  throw new StoreError('refused', `no answer of the script: ${oneLine(text.slice(0, 80))}`);
}

interface Scripted {
  report(key: string, ...words: (string | number)[]): Promise<string>;
}

/**
 * A connection to a store, which is made again whenever it is lost. The client is ioredis, the one in wide use.
 * This file is loaded only where a group is shared: loading the client takes 50 ms.
 */
export class Store {
  readonly #client: (Redis | Cluster) & Scripted;
  /** Why the connection could not be made, since it was last there. */
  #trouble: StoreError | null = null;

  private constructor(client: Redis | Cluster) {
    this.#client = client as (Redis | Cluster) & Scripted;
    client.defineCommand('report', { numberOfKeys: 1, lua: SCRIPT });
    client.on('error', (error: Error) => {
      this.#trouble = errorOf(error);
    });
    client.on('ready', () => {
      this.#trouble = null;
    });
  }

  /**
   * Begins to connect.
   *
   * @throws SluiceError for a file that cannot be read
   */
  static open(target: StoreTarget): Store {
    const options = optionsOf(target);
    const { kind, nodes, master, socket } = target;
    if (kind === 'cluster') return new Store(new Cluster([...nodes], clusterOptions(options)));
    if (kind === 'sentinel') {
      const sentinels = [...nodes];
      const more = { sentinels, name: master, sentinelRetryStrategy: () => RETRY_MS };
      // The client ignores `tls` behind Sentinels unless it is told so, and passwords went in clear text.
      const { tls } = options;
      const secure = tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls };
      return new Store(new Redis({ ...options, ...more, ...secure }));
    }
    return new Store(
      new Redis({ ...options, ...(socket === null ? nodes[0]! : { path: socket }) }),
    );
  }

  /** @throws StoreError */
  async report(key: string, report: Report): Promise<Reply> {
    try {
      return replyOf(await this.#client.report(key, ...wordsOf(report)));
    } catch (error) {
      // Why there is no connection says more than the error of a command that found none.
      throw this.#trouble ?? errorOf(error as Error);
    }
  }

  close(): void {
    this.#client.disconnect();
  }
}

function optionsOf({ user, passwordFile, hasTls, caFile }: StoreTarget) {
  const password = passwordFile === null ? null : readSecret(passwordFile);
  const ca = caFile === null ? {} : { ca: readText('ca-file', caFile) };
  return {
    ...(user === null ? {} : { username: user }),
    ...(password === null ? {} : { password }),
    // Certificates are checked against the host of each connection.
    tls: hasTls ? ca : undefined,
    // Version 2 is enough, and every server knows it.
    protocol: 2,
    connectionName: 'sluice',
    // A store that loads its data says so to each report.
    enableReadyCheck: false,
    disableClientInfo: true,
    // All reports of a turn go in one message.
    enableAutoPipelining: true,
    // A report is about now: one that cannot be sent is not kept, and none is sent again.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => RETRY_MS,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENT_MS,
    // The server has become a replica: the new master has to be found.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } as const;
}

function clusterOptions(redisOptions: ReturnType<typeof optionsOf>) {
  return {
    redisOptions,
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => RETRY_MS,
    retryDelayOnFailover: RETRY_MS,
  };
}

function readText(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
    throw new SluiceError(`shared: ${what}=${path} cannot be read (${code})`, code, EXIT_FAILED);
  }
}

/** The first line of a file. */
function readSecret(path: string): string {
  const [line = ''] = readText('password-file', path).split('\n');
  if (line === '') {
    throw new SluiceError(`shared: password-file=${path} is empty`, 'EINVAL', EXIT_FAILED);
  }
  return line;
}
