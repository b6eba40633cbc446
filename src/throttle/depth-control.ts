/** Finds the window of `io.depth auto`. */
export class DepthControl {
  depth: number;
  constructor(max: number) {
    this.depth = max;
  }
  completed(_leaf: number, _cost: number, _full: boolean, _inflight: number, _now: number): void {}
}
