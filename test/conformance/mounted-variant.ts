import { constants } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must, run } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { exceptionsOf, type FormatName, type TransportName } from './exceptions.js';
import { ImageFile } from './image-file.js';
import type { Subject, Variant } from './subject.js';

/** Agents that share the work of one subject: each makes one call at a time. */
const AGENTS = 4;

/** An image in a real mount, used through system calls by other processes. */
export function mountedVariant(
  transport: TransportName,
  format: FormatName,
  direct: boolean,
): Variant {
  const mode = direct ? '--direct' : '--no-direct';
  return {
    ...exceptionsOf(transport, format),
    title: `${transport}, ${format}, ${mode}`,
    async serve(t, setup, use) {
      const words = ['--transport', transport, mode];
      if (setup.growable === true) words.push('--growable');
      if (setup.readOnly === true) words.push('--read-only');
      for (const group of setup.group ?? []) words.push('--group', group);
      for (const member of setup.assign ?? []) words.push('--assign', member);
      const image = await ImageFile.make(t, format, setup);
      await withMount(t, [image.path], words, async (mount) => {
        const flags = setup.readOnly === true ? constants.O_RDONLY : constants.O_RDWR;
        const files = await openAll(t, mount.file(), flags);
        await use(new MountedSubject(image, mount, files));
        for (const { agent, fd } of files) await agent.close(fd);
      });
      await image.check(t);
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

/** What commands say, and the errno behind it. */
const MESSAGES = [
  ['File exists', 'EEXIST'],
  ['resource busy', 'EBUSY'],
  ['No such file', 'ENOENT'],
  ['not permitted', 'EPERM'],
] as const;

class MountedSubject implements Subject {
  readonly image: ImageFile;
  readonly #mount: SluiceMount;
  readonly #free: OpenFile[];
  readonly #waiting: ((file: OpenFile) => void)[] = [];

  constructor(image: ImageFile, mount: SluiceMount, files: readonly OpenFile[]) {
    this.image = image;
    this.#mount = mount;
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
    return this.#with(({ agent }) => agent.size(this.#mount.file()));
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

  readControl(path: string): Promise<string> {
    return must('cat', [this.#control(path)]);
  }

  writeControl(path: string, text: string): Promise<number> {
    return this.#with(async ({ agent }) => {
      const fd = await agent.open(this.#control(path), constants.O_WRONLY);
      if (fd < 0) return fd;
      const result = await agent.write(fd, 0, Buffer.from(text));
      await agent.close(fd);
      return result;
    });
  }

  makeGroup(path: string): Promise<number> {
    return this.#directory('mkdir', path);
  }

  removeGroup(path: string): Promise<number> {
    return this.#directory('rmdir', path);
  }

  async #directory(command: string, path: string): Promise<number> {
    const { code, stderr } = await run(command, [this.#control(path)], { env: { LC_ALL: 'C' } });
    if (code === 0) return 0;
    const found = MESSAGES.find(([message]) => stderr.includes(message));
    if (found === undefined) throw new Error(stderr);
    return -ERRNO[found[1]];
  }

  #control(path: string): string {
    return join(this.#mount.point, '.groups', path);
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
