import { requires } from '../helpers/requires.js';
import { CASES } from './cases.js';
import { FORMATS, TRANSPORTS } from './exceptions.js';
import { mountedVariant } from './mounted-variant.js';

const VARIANTS = TRANSPORTS.flatMap((transport) => {
  return FORMATS.flatMap((format) => {
    return [true, false].map((direct) => ({ transport, format, direct }));
  });
});

for (const { transport, format, direct } of VARIANTS) {
  const ring = transport === 'uring' ? (['io_uring'] as const) : [];
  const qemu = format === 'qcow2' ? (['qemu'] as const) : [];
  const test = requires('fuse', 'root', ...ring, ...qemu);
  const variant = mountedVariant(transport, format, direct);
  for (const { title, setup, run } of CASES) {
    test(`${variant.title}: ${title}`, (t) =>
      variant.serve(t, setup, (subject) => run(t, subject, variant)));
  }
}
