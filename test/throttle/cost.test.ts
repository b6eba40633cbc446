import test from 'ava';
import { ClosedLoop } from './closed-loop.js';

test('cost models: by request, by byte, and between', (t) => {
  // 1 MiB against 4 KiB costs the same by requests, 256 to 1 by bytes, 48 to 1 in the linear model.
  for (const [model, large] of [
    ['ios', 2570 / 2],
    ['bytes', 10],
    ['linear', 2570 / 49],
  ] as const) {
    const loop = new ClosedLoop(
      [
        { group: 'a', bytes: 1048576 },
        { group: 'b', bytes: 4096 },
      ],
      1,
    ).beginAll();
    loop.throttle.setCostModel(model);
    loop.run(600);
    const [a] = loop.run(2570);
    t.true(Math.abs(a - large) <= 1, `${model}: ${a}`);
  }
});
