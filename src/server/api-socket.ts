import { join } from 'node:path';
import type { ApiMount } from './api-routes.js';
import type { ApiServer } from './api-server.js';
import type { Log } from './log.js';
import { socketFolder, socketName } from './socket-path.js';

/** The socket of a mount, over its life. Without a socket the control files can still change the mount. */
export class ApiSocket {
  readonly #log: Log;
  /** Loaded while images are opened: an HTTP server takes 15 ms. */
  readonly #parts = Promise.all([import('./api-server.js'), import('./listening-socket.js')]);
  #server: ApiServer | null = null;
  #mount: ApiMount | null = null;
  #isClosed = false;

  constructor(log: Log) {
    this.#log = log;
    // `listen` logs a failure of this. A start that fails before `listen` has logged its own reason.
    this.#parts.catch(() => undefined);
  }

  /** Does not reject. @param device Number of the mount; '' if it is gone already */
  async listen(device: string): Promise<void> {
    const uid = process.getuid!();
    const folder = socketFolder(uid, uid, process.env);
    if (folder === null) this.#log.info('no socket: XDG_RUNTIME_DIR is not set');
    if (folder === null || device === '') return;
    try {
      const [{ ApiServer, boundedServer }, { ListeningSocket }] = await this.#parts;
      const path = join(folder, socketName(device));
      this.#server = new ApiServer(await ListeningSocket.listen(boundedServer(), path));
      if (this.#mount !== null) this.#server.serve(this.#mount);
      if (this.#isClosed) this.#server.close();
      const { removeStaleSockets } = await import('./stale-sockets.js');
      // Nobody waits for that.
      void removeStaleSockets(folder);
    } catch (error) {
      this.#log.info(`no socket: ${(error as Error).message}`);
    }
  }

  /** What requests are about, from now on. */
  serve(mount: ApiMount): void {
    this.#mount = mount;
    this.#server?.serve(mount);
  }

  close(): void {
    this.#isClosed = true;
    this.#server?.close();
  }
}
