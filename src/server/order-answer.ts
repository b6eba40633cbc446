import type { OrderAnswer } from '../plane/orders.js';
import { type ErrorRecord, recordOf } from '../util/errors.js';

/** The variable of the environment in which `order-writer.ts` is given the order. */
export const ORDER_VARIABLE = 'SLUICE_ORDER';

/** What the writer of an order reads. */
export interface OrderReport {
  error: ErrorRecord | null;
  /** Sentences for the user. */
  warnings: string[];
}

/** What is known without an OrderReport. */
export interface Unreported {
  /** '': none. */
  errno: string;
  reason: string;
}

/** Errors that the log would take for errors of the host, as those of reads and writes. */
const OF_HOST: ReadonlySet<string> = new Set(['EIO', 'ENOSPC', 'EDQUOT']);

/** The answer to an order; `error` null: it is carried out. */
export function answerOf(error: unknown, warnings: string[] = []): OrderAnswer {
  const record = error === null ? null : recordOf(error);
  const report: OrderReport = { error: record, warnings };
  const errno = record !== null && OF_HOST.has(record.errno) ? 'EINVAL' : (record?.errno ?? null);
  return { text: `${JSON.stringify(report)}\n`, errno, reason: record?.message ?? '' };
}
