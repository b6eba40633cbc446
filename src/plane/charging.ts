import { DISCARD, READ, type Throttle, WRITE } from '../throttle/throttle.js';
import type { Disk } from './disk.js';
import type { Members } from './members.js';
import * as operation from './operation.js';
import { type Requests, WAITING } from './requests.js';

/** Submits requests to the throttle, each charged to its member. */
export class Charging {
  readonly #requests: Requests;
  readonly #disks: readonly Disk[];
  readonly #members: Members;
  readonly #throttle: Throttle;

  constructor(requests: Requests, disks: readonly Disk[], members: Members, throttle: Throttle) {
    this.#requests = requests;
    this.#disks = disks;
    this.#members = members;
    this.#throttle = throttle;
  }

  /** True: the request is charged and may go. False: it waits. */
  submit(request: number, nowNs: number): boolean {
    const requests = this.#requests;
    const member = this.#memberOf(request, nowNs);
    requests.member[request] = member;
    const direction = directionOf(requests.operation[request]!);
    return this.#throttle.submit(request, member, direction, requests.length[request]!, nowNs);
  }

  /**
   * Rules came or went: a waiting request whose member has changed moves to the end of its new queue.
   * `start` is called for each request that need not wait any more.
   */
  resubmit(nowNs: number, start: (request: number) => void): void {
    for (const request of this.#requests.inState(WAITING)) {
      if (this.#memberOf(request, nowNs) === this.#requests.member[request]) continue;
      if (!this.#throttle.cancel(request)) continue;
      if (this.submit(request, nowNs)) start(request);
    }
  }

  #memberOf(request: number, nowNs: number): number {
    const { mode, disk, uid, gid, thread } = this.#requests;
    const image = this.#disks[disk[request]!]!.member;
    const isWrite = this.#requests.operation[request] === operation.WRITE;
    const fromCache = isWrite && mode[request] === 1;
    const caller = thread[request]!;
    return this.#members.charged(image, uid[request]!, gid[request]!, caller, fromCache, nowNs);
  }
}

function directionOf(asked: number): number {
  if (asked === operation.READ) return READ;
  return asked === operation.WRITE ? WRITE : DISCARD;
}
