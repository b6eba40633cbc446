import type { Agreed } from '../nbd/handshake.js';
import type { NbdTarget } from '../nbd/uri.js';
import type { ConnectionBuffers, OpenWire } from './nbd-connection.js';
import type { NbdRows } from './nbd-rows.js';

/** How an export is to be used. */
export interface NbdOptions {
  /** How long requests wait for a new connection when one is lost, milliseconds. */
  readonly timeoutMs: number;
  /** Most connections, if the server allows several. */
  readonly connections: number;
}

/** The connections to an export of an NBD server, ready for requests. Plain data. */
export interface NbdExport extends NbdOptions {
  /** Another one for each export of an engine, which gives it; 0 before. */
  readonly id: number;
  readonly target: NbdTarget;
  readonly agreed: Agreed;
  readonly readOnly: boolean;
  /** Sockets. The code that serves the export closes them. */
  readonly descriptors: readonly number[];
}

/** An answer to `NbdEngine.lost`. Plain data. */
export type NbdNews =
  | { kind: 'nbd-connected'; id: number; descriptors: readonly number[]; agreed: Agreed }
  | { kind: 'nbd-failed'; id: number };

/** The surroundings of an export. */
export interface ServedHost {
  readonly rows: NbdRows;
  readonly open: OpenWire;
  /** A request of the data plane has ended. */
  completed(request: number, result: number): void;
  /** New connections are wanted: `connected` and `failed` answer, later. */
  lost(one: NbdExport, why: string): void;
  /** They are wanted no more. */
  left(one: NbdExport): void;
  /** After `end`: the kernel has nothing of it any more, and its rows and lists are free. */
  ended(): void;
}

/** What an export has of its engine. */
export interface ServedPlaces {
  /** The first of OWN_ROWS rows. */
  ownRow: number;
  /** The first of OWN_LISTS lists. */
  lists: number;
  /** Of its connections, as many as there were before. */
  buffers: ConnectionBuffers[];
}
