import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { SUBMITTING } from '../../../tools/bench-batch/in-mount.js';
import { COUNTING } from '../../../tools/bench-times/in-mount.js';
import { inSlices } from '../../../tools/lib/in-slices.js';

test('functions that count do so in their slices of a quarter of a second', (t) => {
  const body = (start: string): string => `  ${start}\n    return 'counted';\n  }`;
  const bodies = COUNTING.map(({ start }) => body(start)).join(',\n');
  const { text, found } = inSlices(`const both = {\n${bodies}\n};\n`, COUNTING);
  t.deepEqual(found, [0, 1]);
  const counted = [0, 1, 2, 3, 4].map((slice) => {
    const performance = { timeOrigin: 1000, now: () => slice * 250 };
    const words = `[both.add(0, 0, 0, 0, 0), both.completed(0, 0, 0, 0, 0, 0, 0)]`;
    return runInNewContext(
      `${text};${words}.map((result) => (result === 'counted' ? 1 : 0)).join('')`,
      { performance },
    );
  });
  t.deepEqual(counted, ['00', '10', '01', '11', '00']);
});

test('the program has all functions that tools change', (t) => {
  const changes = [...COUNTING, ...SUBMITTING];
  const found = ['parts', 'loop'].flatMap((folder) => {
    const files = readdirSync(join('dist', folder));
    return files.flatMap((name) => {
      return inSlices(readFileSync(join('dist', folder, name), 'utf8'), changes).found;
    });
  });
  t.deepEqual([...new Set(found)].sort(), [...changes.keys()]);
  t.deepEqual(inSlices('const a = 1;\n', changes), { text: 'const a = 1;\n', found: [] });
});
