import { type Callers, UNKNOWN_THREAD, WRITE_BACK } from '../throttle/callers.js';
import * as throttle from '../throttle/throttle.js';
import type { Disk } from './disk.js';
import type { Members } from './members.js';
import { ALLOCATE, READ, WRITE } from './operation.js';
import type { Requests } from './requests.js';

/** The throttle's words for the operations that it holds back, by operation. */
const DIRECTIONS: number[] = [];
DIRECTIONS[READ] = throttle.READ;
DIRECTIONS[WRITE] = throttle.WRITE;
DIRECTIONS[ALLOCATE] = throttle.DISCARD;

/** Parts that charging needs. */
export interface ChargeParts {
  requests: Requests;
  /** By number; see DiskTable. */
  disks: readonly (Disk | undefined)[];
  throttle: throttle.Throttle;
  members: Members;
  /** Counts who makes requests. */
  callers: Callers;
}

/** What requests are charged to, from the table of requests: the throttle's member, and the caller. */
export class Charges {
  readonly #parts: ChargeParts;

  constructor(parts: ChargeParts) {
    this.#parts = parts;
  }

  /** Hands a request to the throttle, for its member. True: it is charged and may go. False: it waits. */
  submit(request: number, nowNs: number): boolean {
    const { requests, disks } = this.#parts;
    const { member, operation, length, disk } = requests;
    const charged = this.memberOf(request, nowNs);
    member[request] = charged;
    const direction = DIRECTIONS[operation[request]!]!;
    const bytes = length[request]!;
    const { device } = disks[disk[request]!]!;
    return this.#parts.throttle.submit(request, charged, direction, bytes, nowNs, device);
  }

  memberOf(request: number, nowNs: number): number {
    const { requests, disks, members } = this.#parts;
    const { disk, uid, gid, thread } = requests;
    const image = disks[disk[request]!]!.member;
    const isCached = this.#isFromCache(request);
    const caller = thread[request]!;
    return members.charged(image, uid[request]!, gid[request]!, caller, isCached, nowNs);
  }

  /** A request that was charged has its reply. */
  complete(request: number, nowNs: number): void {
    const { requests, throttle, callers } = this.#parts;
    const { operation, length, uid, thread } = requests;
    throttle.complete(request, nowNs);
    const caller = this.#isFromCache(request) ? WRITE_BACK : thread[request]!;
    if (caller === UNKNOWN_THREAD) return;
    const direction = DIRECTIONS[operation[request]!]!;
    const serviceNs = nowNs - throttle.admittedAt(request);
    const waitNs = throttle.waitOf(request);
    const bytes = length[request]!;
    callers.completed(caller, uid[request]!, direction, bytes, waitNs, serviceNs, nowNs);
  }

  /** A write from the page cache: its IDs are not those of the writing process. */
  #isFromCache(request: number): boolean {
    const { operation, mode } = this.#parts.requests;
    return operation[request] === WRITE && mode[request] === 1;
  }
}
