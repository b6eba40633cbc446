import { PENDING, type Task } from '../../src/host/engine.js';
import type { DriverIo } from '../../src/image/driver.js';
import { inflate } from '../../src/image/inflate.js';
import { type InflateCall, InflateCalls } from '../../src/image/inflate-calls.js';

/** Runs the tasks of an image one at a time. Host calls end at once, clusters are inflated in between. */
export class TaskRunner {
  readonly #inflations: InflateCall[] = [];
  readonly inflateCalls = new InflateCalls((call) => this.#inflations.push(call));

  /** Since tasks run one at a time, none waits for another. */
  readonly resume: DriverIo['resume'] = () => {
    throw new Error('somebody waited');
  };

  async run(task: Task): Promise<number> {
    let step = task.next(0);
    while (!step.done) {
      let result = step.value;
      if (result === PENDING) {
        const call = this.#inflations.pop();
        if (call === undefined) throw new Error('a task waits for nothing');
        const cluster = await inflate(call.method, call.bytes, call.clusterBytes);
        this.inflateCalls.ended(call.request, cluster);
        result = 0;
      }
      step = task.next(result);
    }
    return step.value;
  }
}
