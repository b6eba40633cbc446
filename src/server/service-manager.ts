import { sendDatagram } from '../sys/sockets.js';

/** Microseconds in a millisecond. */
const US_PER_MS = 1000;

/** The environment that systemd gives to a service; see sd_notify(3) and sd_watchdog_enabled(3). */
export interface ServiceEnvironment {
  NOTIFY_SOCKET?: string;
  WATCHDOG_USEC?: string;
  WATCHDOG_PID?: string;
}

/**
 * Tells systemd how a service is, as sd_notify(3) does: lines in a datagram. Without a socket, which is everywhere but in a unit
 * of `Type=notify`, nothing is told. What cannot be sent is lost: the mount does not hang on it.
 */
export class ServiceManager {
  readonly #socket: string | null;
  readonly #watchdogMs: number | null;
  readonly #send: (socket: string, text: string) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param pid that of this process: a watchdog may be meant for another one */
  constructor(
    environment: ServiceEnvironment,
    pid: number,
    send = (socket: string, text: string): void => void sendDatagram(socket, Buffer.from(text)),
  ) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = environment;
    // Others, such as vsock, are for virtual machines.
    this.#socket = socket !== undefined && /^[/@]./.test(socket) ? socket : null;
    const isForUs = watched === undefined || Number(watched) === pid;
    const microseconds = isForUs ? Number(usec ?? 0) : 0;
    this.#watchdogMs = microseconds > 0 ? microseconds / US_PER_MS : null;
    this.#send = send;
  }

  /** Whether a service manager has started this process and listens on its socket. */
  get isThere(): boolean {
    return this.#socket !== null;
  }

  /** Another process is the service from now on. What it tells counts from here. */
  passTo(pid: number): void {
    clearInterval(this.#timer);
    this.#tell(`MAINPID=${pid}`);
  }

  /**
   * The files can be used, or a reload has ended.
   *
   * @param isAlive settles when the data plane has answered; asked twice in the time of the watchdog
   */
  ready(status: string, isAlive: () => Promise<unknown>): void {
    this.#tell('READY=1', `STATUS=${status}`);
    if (this.#watchdogMs === null || this.#timer !== undefined) return;
    const look = (): void => void isAlive().then(() => this.#tell('WATCHDOG=1'));
    this.#timer = setInterval(look, this.#watchdogMs / 2).unref();
  }

  /** @param nowUs of CLOCK_MONOTONIC */
  reloading(nowUs: bigint): void {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${nowUs}`);
  }

  stopping(): void {
    // The last flush may take longer than the time of the watchdog, and the data plane ends with it.
    clearInterval(this.#timer);
    this.#tell('STOPPING=1', 'WATCHDOG_USEC=0', 'STATUS=flushing');
  }

  #tell(...lines: readonly string[]): void {
    if (this.#socket !== null) this.#send(this.#socket, lines.join('\n'));
  }
}
