import type { HostTimes } from '../host/host-times.js';
import type { Requests } from './requests.js';

/** The seam between a transport and the plane: requests go one way, replies the other. */

/** The operation goes on; its result comes through `Transport.reply`. Outside the errno range. */
export const DEFERRED = -10_000;

/** The owner of the files in the mount. */
export interface Owner {
  uid: number;
  gid: number;
}

/** How a disk looks from outside. */
export interface DiskStatus {
  /** Bytes, a multiple of 512. */
  size: number;
  /** Bytes that the host has allocated for it. */
  allocated: number;
  times: HostTimes;
  /** Missing: the mounter. */
  owner?: Owner | undefined;
  /** Permission bits. */
  mode: number;
  /** Its bytes are shown by the disk of a whole image, too. */
  isPartition: boolean;
}

/** Carries replies to the callers. */
export interface Transport {
  /**
   * Answers a request. The data must not change until `DiskService.replied`.
   * @param result The result of the operation: a number from 0, or -errno.
   * @param at Place of the data of a READ with a result above 0, in the plane's memory. The transport
   *   may use the 16 bytes before it, and with a `source` 48.
   * @param linked The reply waits for the transfer that was queued just before it.
   * @param source Address of the data, if they leave from where they are in a file (`Engine.addressOf`); missing or 0: they
   *   are at `at`.
   */
  reply(request: number, result: number, at: number, linked: boolean, source?: number): void;
}

/** The plane as a transport sees it. */
export interface DiskService {
  /** The transport takes a request from here and fills its columns. */
  readonly requests: Requests;
  /** Slots that the transport may use for receiving. */
  readonly receivable: number;
  /** A disk as it was found last. */
  status(disk: number): DiskStatus;
  /** Begins the operation of a request. @returns Its result, or DEFERRED. */
  begin(request: number): number;
  /** The caller of the request with this id (two halves) had a signal. */
  interrupt(uniqueLow: number, uniqueHigh: number): void;
  /** The reply to a request has left, or none was due: its number and its slot are free. */
  replied(request: number): void;
}
