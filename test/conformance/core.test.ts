import test from 'ava';
import { CASES } from './cases.js';
import { coreVariant } from './core-variant.js';

// Neither root nor /dev/fuse is needed here.
for (const direct of [true, false]) {
  const variant = coreVariant(direct);
  for (const { title, setup, run } of CASES) {
    test(`${variant.title}: ${title}`, (t) =>
      variant.serve(t, setup, (subject) => run(t, subject, variant)));
  }
}
