import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually, isAlive } from './proc.js';
import { tempFolder } from './temp.js';

/** A server of NBD as a process of its own, on a Unix socket. */
export class NbdServer {
  readonly socket: string;
  readonly #words: (socket: string, pidFile: string) => string[];
  readonly #pidFile: string;
  pid = 0;

  private constructor(t: ExecutionContext, words: (socket: string, pidFile: string) => string[]) {
    const folder = tempFolder(t);
    this.socket = join(folder, 'nbd.sock');
    this.#pidFile = join(folder, 'pid');
    this.#words = words;
    t.teardown(() => this.kill());
    this.start();
  }

  /** @param words Options, plugin, and words of the plugin. */
  static nbdkit(t: ExecutionContext, ...words: string[]): NbdServer {
    return new NbdServer(t, (socket, pid) => ['nbdkit', '-U', socket, '-P', pid, ...words]);
  }

  /** @param words Options and the image. */
  static qemu(t: ExecutionContext, ...words: string[]): NbdServer {
    const own = ['qemu-nbd', '-t', '--fork'];
    return new NbdServer(t, (socket, pid) => [...own, '-k', socket, `--pid-file=${pid}`, ...words]);
  }

  get uri(): string {
    return `nbd+unix:///?socket=${this.socket}`;
  }

  start(): void {
    rmSync(this.socket, { force: true });
    rmSync(this.#pidFile, { force: true });
    const [command, ...words] = this.#words(this.socket, this.#pidFile);
    const { status, stderr } = spawnSync(command!, words, {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new Error(`${command} ends with ${status}: ${stderr}`);
    this.pid = this.#readPid();
  }

  /** nbdkit's child writes the file last, when the socket is there, and nobody waits for that. */
  #readPid(): number {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let looks = 0; looks < 2000; looks++) {
      const pid = existsSync(this.#pidFile) ? Number(readFileSync(this.#pidFile, 'utf8')) : 0;
      if (pid > 0) return pid;
      Atomics.wait(pause, 0, 0, 5);
    }
    throw new Error('the server does not begin');
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (this.pid === 0) return;
    const { pid } = this;
    this.pid = 0;
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await eventually(() => !isAlive(pid));
  }
}

/** An authority, and a certificate of `localhost` for a server, with the names that servers look for. */
export function makeCertificates(folder: string): void {
  const openssl = (...words: string[]): void => {
    const { status, stderr } = spawnSync('openssl', words, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  const key = ['-newkey', 'rsa:2048', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca-key.pem',
    '-out',
    'ca-cert.pem',
    '-subj',
    '/CN=test',
  );
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost');
  openssl(
    'req',
    ...key,
    '-keyout',
    'server-key.pem',
    '-out',
    'server.csr',
    '-subj',
    '/CN=localhost',
  );
  const ca = ['-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    ...ca,
    '-out',
    'server-cert.pem',
    '-extfile',
    'names',
  );
}
