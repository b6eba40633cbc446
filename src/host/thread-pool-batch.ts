/**
 * Most bytes of one merged call. A longer one would keep one thread busy while others have nothing
 * to do.
 */
const RUN_BYTES = 256 << 10;

/** Transfers of one turn, not yet handed over: parallel lists, filled again and again. */
export class Batch {
  readonly requests: number[] = [];
  readonly files: number[] = [];
  readonly writes: boolean[] = [];
  readonly addresses: number[] = [];
  readonly lengths: number[] = [];
  /** Offset in the host file. */
  readonly offsets: number[] = [];

  add(
    request: number,
    file: number,
    writes: boolean,
    address: number,
    length: number,
    offset: number,
  ): void {
    this.requests.push(request);
    this.files.push(file);
    this.writes.push(writes);
    this.addresses.push(address);
    this.lengths.push(length);
    this.offsets.push(offset);
  }

  clear(): void {
    const { requests, files, writes, addresses, lengths, offsets } = this;
    for (const list of [requests, files, writes, addresses, lengths, offsets]) list.length = 0;
  }
}

/** Transfers of one direction that continue each other in a host file. */
export interface Run {
  file: number;
  writes: boolean;
  requests: number[];
  addresses: number[];
  lengths: number[];
  offsets: number[];
}

/**
 * Orders a batch by place and joins transfers that continue one another. Requests that are in flight together have no
 * order among each other, so the kernel and we may choose one.
 */
export function adjacentRuns(batch: Batch): Run[] {
  const { requests, files, writes, offsets, lengths, addresses } = batch;
  const order = requests.map((_, index) => index);
  if (order.length > 1) {
    order.sort((a, b) => files[a]! - files[b]! || offsets[a]! - offsets[b]!);
  }
  const runs: Run[] = [];
  let last: Run | undefined;
  for (const at of order) {
    if (last === undefined || !continues(last, batch, at)) {
      last = {
        file: files[at]!,
        writes: writes[at]!,
        requests: [],
        addresses: [],
        lengths: [],
        offsets: [],
      };
      runs.push(last);
    }
    last.requests.push(requests[at]!);
    last.addresses.push(addresses[at]!);
    last.lengths.push(lengths[at]!);
    last.offsets.push(offsets[at]!);
  }
  return runs;
}

function continues(run: Run, batch: Batch, at: number): boolean {
  const last = run.requests.length - 1;
  const end = run.offsets[last]! + run.lengths[last]!;
  return (
    run.file === batch.files[at] &&
    run.writes === batch.writes[at] &&
    end === batch.offsets[at] &&
    end + batch.lengths[at]! - run.offsets[0]! <= RUN_BYTES
  );
}
