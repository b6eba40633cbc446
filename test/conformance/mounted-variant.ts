import { constants } from 'node:fs';
import { join } from 'node:path';
import { ERRNO } from '../../src/util/errno.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must, run } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { exceptionsOf, type FormatName, type TransportName } from './exceptions.js';
import { ImageFile } from './image-file.js';
import type { Subject, Variant } from './subject.js';

/** Number of agents that share the work of one subject. Each makes one call at a time. */
const AGENTS = 4;

/** Serves images in a real mount. Other processes use them through system calls. */
export function mountedVariant(
  transport: TransportName,
  format: FormatName,
  direct: boolean,
  passedThrough = false,
): Variant {
  const mode = direct ? '--direct' : '--no-direct';
  return {
    ...exceptionsOf(transport, format),
    passedThrough,
    title: `${transport}, ${format}, ${passedThrough ? '--passthrough' : mode}`,
    async serve(t, setups, use) {
      const { growable, readOnly } = setups[0]!;
      const words = ['--transport', transport, mode];
      if (growable === true || passedThrough) words.push('--growable');
      if (readOnly === true) words.push('--read-only');
      for (const { group = [], assign = [] } of setups) {
        for (const one of group) words.push('--group', one);
        for (const member of assign) words.push('--assign', member);
      }
      const images = await Promise.all(setups.map((setup) => ImageFile.make(t, format, setup)));
      const names = setups.map(({ name }, index) => name ?? `image${index}`);
      if (passedThrough) words.push(...names.flatMap((name) => ['--passthrough', name]));
      const named = images.map(({ path }, index) => `${names[index]}=${path}`);
      await withMount(t, named, words, async (mount) => {
        const agents = Array.from({ length: AGENTS }, () => new FileAgent(t));
        const flags = readOnly === true ? constants.O_RDONLY : constants.O_RDWR;
        const files: OpenFile[][] = [];
        for (const name of names) files.push(await openAll(agents, mount.file(name), flags));
        await use(
          images.map((image, index) => {
            return new MountedSubject(image, mount, names[index]!, files[index]!);
          }),
        );
        for (const { agent, fd } of files.flat()) await agent.close(fd);
      });
      for (const image of images) await image.check(t);
    },
  };
}

interface OpenFile {
  agent: FileAgent;
  fd: number;
}

/** Opens the images one after the other, because an agent makes one call at a time. */
async function openAll(
  agents: readonly FileAgent[],
  path: string,
  flags: number,
): Promise<OpenFile[]> {
  const open = async (agent: FileAgent): Promise<OpenFile> => {
    const fd = await agent.open(path, flags);
    if (fd < 0) throw new Error(`open: ${fd}`);
    return { agent, fd };
  };
  return Promise.all(agents.map(open));
}

/** Error texts of commands, and the errno that each stands for. */
const MESSAGES = [
  ['File exists', 'EEXIST'],
  ['resource busy', 'EBUSY'],
  ['No such file', 'ENOENT'],
  ['not permitted', 'EPERM'],
] as const;

class MountedSubject implements Subject {
  readonly image: ImageFile;
  readonly #mount: SluiceMount;
  readonly #name: string;
  readonly #free: OpenFile[];
  readonly #waiting: ((file: OpenFile) => void)[] = [];

  constructor(image: ImageFile, mount: SluiceMount, name: string, files: readonly OpenFile[]) {
    this.image = image;
    this.#mount = mount;
    this.#name = name;
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
    return this.#with(({ agent }) => agent.size(this.#mount.file(this.#name)));
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
