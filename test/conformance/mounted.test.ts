import { mountTest, requires } from '../helpers/requires.js';
import { CASES } from './cases.js';
import { mountedVariant, TRANSPORTS } from './mounted-variant.js';

const nativeTest = requires('fuse', 'root');

for (const transport of TRANSPORTS) {
  const test = transport.name === 'uring' ? mountTest : nativeTest;
  for (const direct of [true, false]) {
    const variant = mountedVariant(transport, direct);
    for (const { title, setup, run } of CASES) {
      test(`${variant.title}: ${title}`, (t) =>
        variant.serve(t, setup, (subject) => run(t, subject, variant)));
    }
  }
}
