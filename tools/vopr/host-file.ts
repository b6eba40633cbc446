import type { HostRecord } from './record.js';

/** A file, which can be closed and opened again. */
export interface HostFile {
  /** Bytes up to which it can grow. */
  limit: number;
  /** The tick at which an fsync has failed last; 0: none has. */
  lostAt: number;
  /** Its changes, for power cuts; null: nobody wants them. */
  record: HostRecord | null;
  underWay: number;
  /** Its bytes when it was closed last, or its daemon died, if they are recorded. */
  closedAs: Buffer | null;
}
