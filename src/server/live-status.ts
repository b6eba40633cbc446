import { Agent } from 'node:http';
import type { ImageSnapshot } from '../control/control.js';
import { type LiveAnswer, type LiveGroup, LiveGroups } from '../control/live.js';
import { SluiceError } from '../util/errors.js';
import { askMount } from './api-client.js';
import { type CallerJson, readCaller, untold } from './caller-json.js';
import { type Caller, CallerNames } from './caller-names.js';
import { identifyDaemon } from './processes.js';
import { type Alive, type NoAnswer, readCallers, SnapshotFollower } from './status.js';

// A mount for those who look at it once a second: over its socket, and by its control files where there is none.

/** What a daemon answers to GET /v1/live. */
interface LiveJson extends LiveAnswer {
  daemon: { pid: number; version: string; transport: string };
  /** Null: they were not asked for. */
  images: ImageSnapshot[] | null;
  /** Names of the images that have faults on purpose. A daemon of an earlier version says nothing of them. */
  faulty?: string[];
}

type LiveStatus = Alive<ImageSnapshot[], LiveGroup> | NoAnswer;

/** Reads a mount again and again; the answer of the daemon has only what has changed. */
export class LiveFollower {
  readonly #mountpoint: string;
  readonly #groups = new LiveGroups();
  /** To connect anew each second takes as long as all else. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #images: ImageSnapshot[] = [];
  /** Null as long as the socket answers. */
  #files: SnapshotFollower | null = null;

  constructor(mountpoint: string) {
    this.#mountpoint = mountpoint;
  }

  /** @param wantsImages Otherwise their sizes, and how often faults struck, may be those of an earlier look. */
  async next(wantsImages = false): Promise<LiveStatus> {
    if (this.#files === null) {
      const told = await this.#ask(wantsImages || this.#groups.edition === '');
      if (told !== null) return told;
      this.#files = new SnapshotFollower(this.#mountpoint, null);
    }
    return this.#files.next();
  }

  end(): void {
    this.#agent.destroy();
    this.#files?.end();
  }

  /** Null: there is no socket to ask. */
  async #ask(wantsImages: boolean): Promise<LiveStatus | null> {
    const edition = encodeURIComponent(this.#groups.edition);
    const path = `/v1/live?edition=${edition}${wantsImages ? '&images=1' : ''}`;
    try {
      const answer = await askMount<LiveJson>(this.#mountpoint, {
        method: 'GET',
        path,
        agent: this.#agent,
      });
      if (answer === null) return null;
      const { pid, version, transport } = answer.daemon;
      const daemon = { pid, fields: { version, transport } };
      const groups = this.#groups.take(answer);
      const { images, named, faulty = [] } = answer;
      // Images have come or gone, or have faults now that they did not have: it should be seen at once.
      const isOld = named !== null || faulty.join('/') !== faultyOf(this.#images).join('/');
      if (images === null && isOld) return this.#ask(true);
      this.#images = images ?? this.#images;
      return { kind: 'alive', daemon, images: this.#images, groups, known: [] };
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      // The control files know of a daemon that has ended, and of one of a version without this request.
      return error.errno === 'ETIMEDOUT' ? { kind: 'hung' } : null;
    }
  }
}

const faultyOf = (images: readonly ImageSnapshot[]): string[] =>
  images.filter(({ faults }) => faults).map(({ name }) => name);

type CallerStatus = { kind: 'alive'; callers: Caller[] } | NoAnswer;

/** Reads who makes the requests, again and again. */
export class CallerFollower {
  readonly #mountpoint: string;
  readonly #names = new CallerNames();

  constructor(mountpoint: string) {
    this.#mountpoint = mountpoint;
  }

  /** Throws EOPNOTSUPP: fuse-native does not tell who calls. */
  async next(): Promise<CallerStatus> {
    const told = await this.#ask();
    if (told !== null) return told;
    const status = await readCallers(this.#mountpoint);
    if (status.kind !== 'alive') return status;
    const { pid, fields } = status.daemon;
    if (fields.transport === 'fuse-native') throw untold(this.#mountpoint);
    // A daemon that is not to be seen lives in another pid namespace, and counts other numbers.
    const callers = this.#names.name(status.callers, identifyDaemon(pid) !== null);
    return { kind: 'alive', callers };
  }

  async #ask(): Promise<CallerStatus | null> {
    try {
      const asked = { method: 'GET', path: '/v1/callers' };
      const answer = await askMount<{ callers: CallerJson[] }>(this.#mountpoint, asked);
      return answer && { kind: 'alive', callers: answer.callers.map(readCaller) };
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      if (error.errno === 'EOPNOTSUPP') throw untold(this.#mountpoint);
      return error.errno === 'ETIMEDOUT' ? { kind: 'hung' } : null;
    }
  }
}
