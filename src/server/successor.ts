import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { GroupsConfig } from '../control/set-up-groups.js';
import type { MountState } from '../plane/messages.js';
import { PLAIN_NODE } from '../sys/run-program.js';
import {
  type ErrorRecord,
  EXIT_DAEMON,
  EXIT_FAILED,
  fromRecord,
  SluiceError,
} from '../util/errors.js';
import type { ImageConfig, MountConfig } from './config.js';
import type { HandedHold } from './holds.js';

/** Of what one daemon hands to the next; a daemon goes on only with a state of its own version. */
export const STATE_VERSION = 3;

/** A mount as one daemon hands it to the next. Plain data; descriptors have the numbers of the next one. */
export interface Handed extends GroupsConfig {
  /** As the configuration was read last. */
  config: MountConfig;
  images: ImageConfig[];
  /** Of the files of the images, by their names. */
  identities: Record<string, string>;
  /** /dev/fuse. */
  fuse: number;
  byFusermount: boolean;
  /** See EndRecord; -1 without one. */
  record: number;
  holds: HandedHold[];
  state: MountState;
}

/** Messages to the daemon that is to go on with a mount. */
export type ToSuccessor =
  /** The first one. */
  | { kind: 'take-over'; pid: number }
  | { kind: 'state'; handed: Handed }
  /** The mount is yours. That also goes without saying if the daemon before ends after `prepared`. */
  | { kind: 'go' };

/** Its answers. */
export type FromSuccessor =
  | { kind: 'loaded'; version: number }
  /** All is there, and nothing is served yet. */
  | { kind: 'prepared' }
  /** The files are served. */
  | { kind: 'ready' }
  /** After that: the socket of the mount is its own. */
  | { kind: 'reachable' }
  | { kind: 'progress' }
  /** It does not go on, and ends. */
  | ({ kind: 'failed' } & ErrorRecord);

/** The descriptors before the first one of the mount: standard ones, and the channel of messages. */
export const FIRST_HANDED = 4;

/** A process that swaps takes long to load; the mount is served meanwhile. */
const LOAD_LIMIT_MS = 30_000;
/** Nobody is served meanwhile. */
const PREPARE_LIMIT_MS = 10_000;
const GO_LIMIT_MS = 10_000;

/** The environment of a process that is the service in the place of this one. */
function environment(): NodeJS.ProcessEnv {
  const { WATCHDOG_PID: watched, ...others } = process.env;
  return watched === String(process.pid) ? others : process.env;
}

/** The daemon process that is to go on with a mount, seen from the one that serves it. */
export class Successor {
  /** When it began to serve, on the clock of `performance`; 0 until then. */
  servedAt = 0;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #told: (message: FromSuccessor) => void = () => {};
  #failed: (error: Error) => void = () => {};

  /** @param descriptors those that it inherits, from FIRST_HANDED on */
  constructor(
    mountpoint: string,
    descriptors: readonly number[],
    program = join(import.meta.dirname, '../server/main.js'),
  ) {
    this.#child = spawn(process.execPath, [program, mountpoint], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors],
      argv0: 'sluice',
      env: { ...environment(), ...PLAIN_NODE },
      serialization: 'advanced',
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        const how = signal === null ? `with code ${code}` : `by ${signal}`;
        this.#failed(
          new SluiceError(`the new daemon ended ${how}; see the log`, 'EIO', EXIT_DAEMON),
        );
        resolve();
      });
      this.#child.once('error', (error) => {
        const message = `the new daemon cannot be started: ${error.message}`;
        this.#failed(new SluiceError(message, 'EAGAIN', EXIT_FAILED, error));
        resolve();
      });
    });
    this.#child.on('message', (message: FromSuccessor) => {
      if (message.kind === 'ready') this.servedAt = performance.now();
      if (message.kind === 'failed') this.#failed(fromRecord(message));
      else this.#told(message);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws SluiceError EPROTO if it is of a version that knows other states; and those of `#ask` */
  async load(): Promise<void> {
    const { version } = await this.#ask('loaded', LOAD_LIMIT_MS, {
      kind: 'take-over',
      pid: process.pid,
    });
    if (version === STATE_VERSION) return;
    const what = `the new daemon knows state ${version}, and this one has state ${STATE_VERSION}`;
    throw new SluiceError(`${what}; umount and mount again`, 'EPROTO', EXIT_FAILED);
  }

  async prepare(handed: Handed): Promise<void> {
    await this.#ask('prepared', PREPARE_LIMIT_MS, { kind: 'state', handed });
  }

  async go(): Promise<void> {
    await this.#ask('reachable', GO_LIMIT_MS, { kind: 'go' });
  }

  /** It has ended when this resolves. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** This process can end, whatever becomes of it. */
  letGo(): void {
    this.#child.removeAllListeners();
    this.#child.unref();
    if (this.#child.connected) this.#child.disconnect();
  }

  /** @throws SluiceError that of the process; EIO if it ends, ETIMEDOUT */
  #ask<Kind extends FromSuccessor['kind']>(
    wanted: Kind,
    limitMs: number,
    message: ToSuccessor,
  ): Promise<Extract<FromSuccessor, { kind: Kind }>> {
    return new Promise<Extract<FromSuccessor, { kind: Kind }>>((resolve, reject) => {
      const timer = setTimeout(() => {
        const what = `the new daemon was not ready after ${limitMs / 1000} s`;
        reject(new SluiceError(what, 'ETIMEDOUT', EXIT_DAEMON));
      }, limitMs);
      this.#failed = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      this.#told = (told) => {
        if (told.kind !== wanted) return;
        clearTimeout(timer);
        resolve(told as Extract<FromSuccessor, { kind: Kind }>);
      };
      // One that is dead tells so by its end.
      this.#child.send(message, () => {});
    });
  }
}
