import { fstatSync } from 'node:fs';
import type { NbdExport, NbdNews } from '../../src/host/nbd-export.js';
import type { SocketCalls } from '../../src/host/ring-sockets.js';
import type { Agreed } from '../../src/nbd/handshake.js';
import * as nbd from '../../src/nbd/protocol.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { Coverage } from './coverage.js';
import type { HostFiles } from './host-files.js';
import type { HostPlan } from './host-plan.js';
import { NbdServer, type ServerPlan } from './nbd-server.js';
import type { NbdSocket } from './nbd-socket.js';
import type { World } from './world.js';

/** Descriptors of simulated sockets: no real file has them. */
const FIRST_SOCKET = 1_100_000_000;
/** A request of a client that is given nothing else has at most so many bytes. */
const PAYLOADS = [64 << 10, 1 << 20, 32 << 20];
const TIMEOUTS_MS = [1000, 30_000, 120_000];
/** A server is back after this long at most, nanoseconds. */
const BACK_NS = [1e6, 1e9, 60e9];
/** One server of this many, once lost, never comes back. */
const NEVER = 6;

/** The exports of a session. */
export interface RemotePlan extends ServerPlan {
  /** Names of the images. */
  images: readonly string[];
  /** Blocks of the servers, bytes. */
  block: number;
}

/** What exports need of a session. */
export interface NbdHostsParts {
  world: World;
  coverage: Coverage;
  files: HostFiles;
  plan: RemotePlan;
  host: HostPlan;
  random: Random;
  /** Requests of the data plane have numbers below this. */
  requests: number;
  /** Tells the data plane. */
  tell(news: NbdNews): void;
  /** A request gets an error of a server, by its number. */
  explain(request: number): void;
}

/** The NBD servers of a session, and the way to them. */
export class NbdHosts {
  /** Sockets that the daemon has not closed. */
  readonly calls: SocketCalls;
  readonly #parts: NbdHostsParts;
  readonly #servers = new Map<string, NbdServer>();
  readonly #sockets = new Map<number, NbdSocket>();
  readonly #inRing = new Set<number>();
  readonly #failed = new Set<string>();
  /** Ids of exports whose connections are lost. */
  readonly #lost = new Set<number>();
  #last = FIRST_SOCKET;

  constructor(parts: NbdHostsParts) {
    this.#parts = parts;
    this.calls = {
      shutDown: (descriptor) => this.#sockets.get(descriptor)!.shutDown(),
      close: (descriptor) => {
        if (!this.#inRing.delete(descriptor)) throw parts.world.fail('a socket is closed twice');
        this.#sockets.delete(descriptor);
      },
    };
  }

  /** Sockets in the ring. */
  get inRing(): number {
    return this.#inRing.size;
  }

  isRemote(image: string): boolean {
    return this.#parts.plan.images.includes(image);
  }

  /** No server came back in time: requests for the image have failed. */
  hasFailed(image: string): boolean {
    return this.#failed.has(image);
  }

  /** Its server lacks writes that were answered, and not flushed. */
  lacksWrites(image: string): boolean {
    return this.#servers.get(image)?.lacksWrites === true;
  }

  /** The file behind a descriptor; null: it is no socket. */
  target(descriptor: number): NbdSocket | null {
    const socket = this.#sockets.get(descriptor);
    if (socket === undefined) return null;
    this.#inRing.add(descriptor);
    return socket;
  }

  /** Moves the file of an image to a server. Others stay as they are. */
  serve(disk: DiskConfig): DiskConfig {
    if (!this.isRemote(disk.name)) return disk;
    const { world, random, files, plan, host, requests, coverage, explain } = this.#parts;
    const { descriptor } = disk.image.files[0]!;
    const note = (what: string): void => coverage.add(what);
    const agreed = this.#agree(fstatSync(descriptor).size);
    const own = { name: disk.name, descriptor, agreed };
    const lackedWrites = this.lacksWrites(disk.name);
    const common = { world, random, files, plan, host, requests, explain, note, lackedWrites };
    const server = new NbdServer({ ...own, ...common });
    this.#servers.set(disk.name, server);
    const timeoutMs = TIMEOUTS_MS[random.below(TIMEOUTS_MS.length)]!;
    const connections = 1 + random.below(4);
    const { readOnly } = disk;
    const uri = `nbd://host/${disk.name}`;
    const target = { uri, exportName: disk.name, socket: null, host: 'host', port: 1, tls: null };
    const descriptors = this.#connect(server, connections);
    const one = { id: 0, target, agreed, readOnly, descriptors, timeoutMs, connections };
    const image = { ...disk.image, files: [{ descriptor: -1, inMemory: false, nbd: one }] };
    coverage.add(
      `export ${agreed.extended ? 'extended' : agreed.structured ? 'structured' : 'simple'}`,
    );
    return { ...disk, image, device: -this.#last };
  }

  #agree(size: number): Agreed {
    const { random, plan } = this.#parts;
    const structured = !random.oneIn(3);
    const sync = [nbd.CAN_FLUSH, nbd.CAN_FLUSH | nbd.CAN_FUA, nbd.CAN_FUA][
      random.oneIn(6) ? 2 : random.below(2)
    ]!;
    const zeroes = random.oneIn(3) ? 0 : nbd.CAN_WRITE_ZEROES;
    const several = random.oneIn(2) ? nbd.CAN_MULTI_CONN : 0;
    return {
      ...{ size, flags: 1 | sync | zeroes | several, structured },
      extended: structured && random.oneIn(2),
      tellsHoles: structured && random.oneIn(2),
      minimumBlock: plan.block,
      maximumPayload: PAYLOADS[random.below(PAYLOADS.length)]!,
    };
  }

  #connect(server: NbdServer, most: number): number[] {
    const count = (server.agreed.flags & nbd.CAN_MULTI_CONN) === 0 ? 1 : most;
    return Array.from({ length: count }, () => {
      this.#sockets.set(++this.#last, server.accept());
      return this.#last;
    });
  }

  /** As NbdReconnect does: the server is back, sooner or later, or never; nobody waits longer than the timeout. */
  lost({ id, target, timeoutMs, connections }: NbdExport): void {
    const { world, random, files, coverage, tell } = this.#parts;
    const server = this.#servers.get(target.exportName)!;
    this.#lost.add(id);
    const never = random.oneIn(NEVER);
    const backNs = never ? Infinity : random.below(BACK_NS[random.below(BACK_NS.length)]!);
    world.trace?.(`the server of ${server.name} is lost, back in ${backNs}`);
    world.schedule(timeoutMs * 1e6, () => {
      if (backNs <= timeoutMs * 1e6 || !this.#lost.has(id)) return;
      coverage.add('server gone for too long');
      files.noteFault('server gone', ERRNO.EIO);
      this.#failed.add(server.name);
      tell({ kind: 'nbd-failed', id });
    });
    if (never) return;
    world.schedule(backNs, () => {
      if (!this.#lost.delete(id)) return;
      coverage.add('server is back');
      const descriptors = this.#connect(server, connections);
      tell({ kind: 'nbd-connected', id, descriptors, agreed: server.agreed });
    });
  }

  left({ id }: NbdExport): void {
    this.#lost.delete(id);
  }

  /** The daemon has gone. */
  abandon(): void {
    for (const server of this.#servers.values()) server.abandon();
  }
}
