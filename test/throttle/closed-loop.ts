import { READ, Throttle } from '../../src/throttle/throttle.js';

/** A member that always has requests of one size outstanding. */
export interface Stream {
  readonly group: string;
  readonly weight?: number;
  readonly bytes?: number;
  readonly outstanding?: number;
}

/**
 * Keeps streams backlogged under a window. Completes requests one by one in the order of their start, and
 * counts starts by stream.
 */
export class ClosedLoop {
  readonly throttle: Throttle;
  readonly members: number[] = [];
  readonly counts: number[];
  readonly inflight: number[] = [];
  /** Streams that send no more requests. */
  readonly stopped = new Set<number>();
  now = 1;
  private readonly streams: readonly Stream[];
  private readonly streamOf: number[] = [];

  /** @param parents Weights of groups with groups below them. */
  constructor(
    streams: readonly Stream[],
    depth: number,
    parents: Readonly<Record<string, number>> = {},
  ) {
    this.streams = streams;
    this.counts = streams.map(() => 0);
    this.throttle = new Throttle(64 * streams.length);
    this.throttle.setDepth(depth, 0);
    for (const [path, weight] of Object.entries(parents)) {
      this.throttle.setWeight(this.throttle.createGroup(path), weight);
    }
    for (const { group: path, weight } of streams) {
      const group = this.throttle.findGroup(path) ?? this.throttle.createGroup(path);
      if (weight !== undefined) this.throttle.setWeight(group, weight);
      const member = this.throttle.createMember(path);
      this.throttle.moveMember(member, group, 0);
      this.members.push(member);
    }
  }

  /** Submits the requests of a stream. */
  begin(stream: number): void {
    const { outstanding = 8 } = this.streams[stream];
    for (let i = 0; i < outstanding; i++) {
      this.streamOf.push(stream);
      this.send(this.streamOf.length - 1);
    }
  }

  beginAll(): this {
    for (let stream = 0; stream < this.streams.length; stream++) this.begin(stream);
    return this;
  }

  /** Completes `steps` requests, 1 us apart; returns the starts during these steps, by stream. */
  run(steps: number): number[] {
    this.counts.fill(0);
    for (let step = 0; step < steps; step++) {
      this.now += 1000;
      const done = this.inflight.shift();
      if (done !== undefined) {
        this.throttle.complete(done, this.now);
        this.takeAll();
        if (!this.stopped.has(this.streamOf[done])) this.send(done);
      }
      this.takeAll();
    }
    return [...this.counts];
  }

  private send(request: number): void {
    const stream = this.streamOf[request];
    const bytes = this.streams[stream].bytes ?? 4096;
    const member = this.members[stream];
    if (this.throttle.submit(request, member, READ, bytes, this.now)) this.started(request);
  }

  private takeAll(): void {
    for (let r = this.throttle.next(this.now); r !== -1; r = this.throttle.next(this.now)) {
      this.started(r);
    }
  }

  private started(request: number): void {
    this.inflight.push(request);
    this.counts[this.streamOf[request]]++;
  }
}
