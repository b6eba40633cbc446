import type { Agreed } from '../nbd/handshake.js';
import type { NbdTarget } from '../nbd/uri.js';

/** How an export is to be used. */
export interface NbdOptions {
  /** How long requests wait for a new connection when one is lost, milliseconds. */
  readonly timeoutMs: number;
  /** Most connections, if the server allows several. */
  readonly connections: number;
}

/** The connections to an export of an NBD server, ready for requests. Plain data. */
export interface NbdExport extends NbdOptions {
  /** Another one for each export of this process. */
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
