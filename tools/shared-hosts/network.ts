import { atEnd } from '../lib/cleanup.js';
import { type Child, run, start, stop } from '../lib/process.js';

const ip = (words: string): Promise<string> => run('ip', words.split(' '));

/** A store and hosts, each in a network namespace of its own, with a cable from every host to the store. */
export class Network {
  readonly #prefix = `sl${process.pid}`;
  readonly #folder: string;
  #hosts = 0;
  #store: Child | null = null;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(folder: string): Promise<Network> {
    const network = new Network(folder);
    await network.#addSpace('s');
    await network.startStore();
    return network;
  }

  async #addSpace(name: string): Promise<void> {
    const space = this.#prefix + name;
    atEnd(() => ip(`netns del ${space}`).then(() => {}));
    await ip(`netns add ${space}`);
    await ip(`-n ${space} link set lo up`);
  }

  #within(name: string): string[] {
    // Not `ip netns exec`, which has a mount namespace of its own.
    return ['nsenter', `--net=/run/netns/${this.#prefix}${name}`];
  }

  async startStore(): Promise<void> {
    const [program, ...words] = this.#within('s');
    const server =
      'redis-server --bind 0.0.0.0 --protected-mode no --enable-debug-command yes --save'.split(
        ' ',
      );
    this.#store = await start(
      program!,
      [...words, ...server, '', '--dir', this.#folder],
      this.#folder,
    );
  }

  async killStore(): Promise<void> {
    this.#store!.kill('SIGKILL');
    await stop(this.#store!);
  }

  /** The store answers only once a second, for some seconds. */
  async slowStore(seconds: number): Promise<void> {
    const [program, ...words] = this.#within('s');
    for (let second = 0; second < seconds; second++) {
      await run(program!, [...words, 'redis-cli', 'DEBUG', 'SLEEP', '1']);
    }
  }

  /** Returns the address of the store, and the words before a command that runs on the host. */
  async addHost(): Promise<{ address: string; within: string[] }> {
    const number = this.#hosts++;
    const [store, host] = [`${this.#prefix}s`, `${this.#prefix}h${number}`];
    await this.#addSpace(`h${number}`);
    await ip(`link add name cable${number} netns ${store} type veth peer name cable netns ${host}`);
    await ip(`-n ${store} addr add 10.213.${number}.1/24 dev cable${number}`);
    await ip(`-n ${host} addr add 10.213.${number}.2/24 dev cable`);
    await ip(`-n ${host} link set cable up`);
    await this.cable(number, true);
    return { address: `10.213.${number}.1`, within: this.#within(`h${number}`) };
  }

  /** Plugs the cable of a host in, or pulls it. */
  async cable(host: number, isIn: boolean): Promise<void> {
    await ip(`-n ${this.#prefix}s link set cable${host} ${isIn ? 'up' : 'down'}`);
  }

  /** All cables of the store. */
  async cables(isIn: boolean): Promise<void> {
    for (let host = 0; host < this.#hosts; host++) await this.cable(host, isIn);
  }
}
