/** Times and numbers, the earliest first: a binary heap. */
export class EventQueue {
  private readonly times: number[] = [];
  private readonly values: number[] = [];

  get nextTime(): number {
    return this.times.length === 0 ? Infinity : this.times[0];
  }

  push(time: number, value: number): void {
    let at = this.times.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.times[parent] <= time) break;
      this.times[at] = this.times[parent];
      this.values[at] = this.values[parent];
      at = parent;
    }
    this.times[at] = time;
    this.values[at] = value;
  }

  /** The value of the earliest event, which must exist. */
  pop(): number {
    const first = this.values[0];
    const time = this.times.pop() as number;
    const value = this.values.pop() as number;
    if (this.times.length > 0) this.sink(time, value);
    return first;
  }

  private sink(time: number, value: number): void {
    const size = this.times.length;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.times[child + 1] < this.times[child]) child++;
      if (this.times[child] >= time) break;
      this.times[at] = this.times[child];
      this.values[at] = this.values[child];
      at = child;
    }
    this.times[at] = time;
    this.values[at] = value;
  }
}
