import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { inSlices } from '../../../tools/bench-times/in-mount.js';

const CALLS = [
  'add(series, bytes, waitNs, serviceNs, nowNs) {',
  'completed(thread, uid, direction, bytes, waitNs, serviceNs, nowNs) {',
];

test('functions that count do so in their slices of a quarter of a second', (t) => {
  const body = (call: string): string => `  ${call}\n    return 'counted';\n  }`;
  const { text, bits } = inSlices(`const both = {\n${CALLS.map(body).join(',\n')}\n};\n`);
  t.is(bits, 3);
  const performance = { timeOrigin: 1000 };
  const counted = [0, 1, 2, 3, 4].map((slice) => {
    const now = slice * 250e6;
    const words = `[both.add(0, 0, 0, 0, ${now}), both.completed(0, 0, 0, 0, 0, 0, ${now})]`;
    return runInNewContext(
      `${text};${words}.map((result) => (result === 'counted' ? 1 : 0)).join('')`,
      {
        performance,
      },
    );
  });
  t.deepEqual(counted, ['00', '10', '01', '11', '00']);
});

test('the program has both functions', (t) => {
  const files = readdirSync('dist/parts').map((name) =>
    readFileSync(join('dist/parts', name), 'utf8'),
  );
  t.is(
    files.reduce((found, text) => found | inSlices(text).bits, 0),
    3,
  );
  t.deepEqual(inSlices('const a = 1;\n'), { text: 'const a = 1;\n', bits: 0 });
});
