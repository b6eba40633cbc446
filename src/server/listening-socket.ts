import { lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { type ShortPath, shortPath } from './socket-path.js';

/** Nobody but the owner. */
const FOLDER_MODE = 0o700;
const OTHERS_WRITE = 0o022;
const OWN_ONLY = 0o177;

/** A Unix socket of a mount, at which a server listens. */
export class ListeningSocket {
  readonly server: Server;
  readonly path: string;
  readonly #inode: number;
  readonly #short: ShortPath;

  private constructor(server: Server, path: string, short: ShortPath) {
    this.server = server;
    this.path = path;
    this.#short = short;
    this.#inode = lstatSync(path).ino;
    // A connection that cannot be taken, for want of files or memory of the host, ends no mount.
    server.on('error', () => {});
    // For ways out of the process that close nothing.
    process.once('exit', this.#remove);
  }

  /**
   * Listens. The folder is made if it is not there. What has the name already is replaced: it is of a mount that
   * is gone, for two that live never have one name (`socketName`).
   *
   * @throws SluiceError EACCES (the folder is another user's), and others of the file system
   */
  static async listen(server: Server, path: string): Promise<ListeningSocket> {
    const folder = dirname(path);
    let short: ShortPath | null = null;
    try {
      prepareFolder(folder);
      // Under its name the socket comes when it can be used.
      const first = join(folder, `.${process.pid}`);
      short = shortPath(first);
      rmSync(first, { force: true });
      await bind(server, short.path);
      renameSync(first, path);
      return new ListeningSocket(server, path, short);
    } catch (error) {
      short?.release();
      if (error instanceof SluiceError) throw error;
      const { code = 'EIO' } = error as NodeJS.ErrnoException;
      throw new SluiceError(`${path}: ${code}`, code, EXIT_FAILED, error);
    }
  }

  close(): void {
    this.#remove();
    process.off('exit', this.#remove);
    this.server.close(() => this.#short.release());
  }

  /** The mount may be gone for long, and its name another's. */
  readonly #remove = (): void => {
    try {
      if (lstatSync(this.path, { throwIfNoEntry: false })?.ino === this.#inode) rmSync(this.path);
    } catch {
      // The folder has got another owner or other modes: the end of the mount does not hang on a file that is left.
    }
  };
}

function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  const { uid, mode } = lstatSync(folder);
  if (uid === process.getuid!() && (mode & OTHERS_WRITE) === 0) return;
  const what = 'it is of another user, or others may write to it';
  throw new SluiceError(`${folder}: ${what}`, 'EACCES', EXIT_FAILED);
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The file is made in this call: there is no moment in which others could connect.
    const before = process.umask(OWN_ONLY);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}
