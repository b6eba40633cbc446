import { constants } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { FileAgent } from '../helpers/file-agent.js';
import { withMount } from '../helpers/sluice-mount.js';
import { makeImage, type Subject, type Variant } from './subject.js';

/** Agents that share the work of one subject: each makes one call at a time. */
const AGENTS = 4;

/** A transport of the command line, and what it cannot do. */
export interface TransportUnderTest {
  name: 'uring' | 'fuse-native';
  noSeek: boolean;
  noAllocate: boolean;
  /** Who waits in a group cannot be interrupted. */
  noInterrupt: boolean;
}

/** The exceptions of docs/transports.md, and no others. */
export const TRANSPORTS: readonly TransportUnderTest[] = [
  { name: 'uring', noSeek: false, noAllocate: false, noInterrupt: false },
  { name: 'fuse-native', noSeek: true, noAllocate: true, noInterrupt: true },
];

/** An image in a real mount, used through system calls by other processes. */
export function mountedVariant(transport: TransportUnderTest, direct: boolean): Variant {
  const mode = direct ? '--direct' : '--no-direct';
  return {
    title: `${transport.name}, ${mode}`,
    noSeek: transport.noSeek,
    noAllocate: transport.noAllocate,
    async serve(t, setup, use) {
      const words = ['--transport', transport.name, mode];
      if (setup.growable === true) words.push('--growable');
      if (setup.readOnly === true) words.push('--read-only');
      const image = makeImage(t, setup);
      await withMount(t, [image], words, async (mount) => {
        const flags = setup.readOnly === true ? constants.O_RDONLY : constants.O_RDWR;
        const files = await openAll(t, mount.file(), flags);
        await use(new MountedSubject(image, mount.file(), files));
        for (const { agent, fd } of files) await agent.close(fd);
      });
    },
  };
}

interface OpenFile {
  agent: FileAgent;
  fd: number;
}

function openAll(t: ExecutionContext, path: string, flags: number): Promise<OpenFile[]> {
  const open = async (): Promise<OpenFile> => {
    const agent = new FileAgent(t);
    const fd = await agent.open(path, flags);
    if (fd < 0) throw new Error(`open: ${fd}`);
    return { agent, fd };
  };
  return Promise.all(Array.from({ length: AGENTS }, open));
}

class MountedSubject implements Subject {
  readonly image: string;
  readonly #path: string;
  readonly #free: OpenFile[];
  readonly #waiting: ((file: OpenFile) => void)[] = [];

  constructor(image: string, path: string, files: readonly OpenFile[]) {
    this.image = image;
    this.#path = path;
    this.#free = [...files];
  }

  read(offset: number, length: number) {
    return this.#with(({ agent, fd }) => agent.read(fd, offset, length));
  }
  write(offset: number, bytes: Buffer) {
    return this.#with(({ agent, fd }) => agent.write(fd, offset, bytes));
  }
  fsync() {
    return this.#with(({ agent, fd }) => agent.result({ call: 'fsync', fd }));
  }
  size() {
    return this.#with(({ agent }) => agent.size(this.#path));
  }
  truncate(length: number) {
    return this.#with(({ agent, fd }) => agent.result({ call: 'ftruncate', fd, length }));
  }
  allocate(mode: number, offset: number, length: number) {
    const call = 'fallocate';
    return this.#with(({ agent, fd }) => agent.result({ call, fd, mode, offset, length }));
  }
  seek(offset: number, whence: number) {
    return this.#with(({ agent, fd }) => agent.result({ call: 'lseek', fd, offset, whence }));
  }

  async #with<T>(use: (file: OpenFile) => Promise<T>): Promise<T> {
    const free = this.#free.pop();
    const file = free ?? (await new Promise<OpenFile>((resolve) => this.#waiting.push(resolve)));
    try {
      return await use(file);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(file);
      else next(file);
    }
  }
}
