import { requires } from '../helpers/requires.js';
import { CASES, type Case } from './cases.js';
import { FORMATS, TRANSPORTS } from './exceptions.js';
import { mountedVariant } from './mounted-variant.js';

const VARIANTS = TRANSPORTS.flatMap((transport) => {
  return FORMATS.flatMap((format) => {
    return [true, false].map((direct) => ({ transport, format, direct }));
  });
});

function isPlain({ setup }: Case): boolean {
  return setup.growable !== true && setup.readOnly !== true;
}

const TOGETHER = CASES.filter(isPlain);
const ALONE = CASES.filter((one) => !isPlain(one));

/**
 * Selects half of the variants, which still have every pair of transport, format and mode. That is
 * enough for rules that need a mount of their own.
 */
function isInPairs({ transport, format, direct }: (typeof VARIANTS)[number]): boolean {
  return (transport === 'uring') === ((format === 'raw') === direct);
}

for (const served of VARIANTS) {
  const { transport, format, direct } = served;
  const ring = transport === 'uring' ? (['io_uring'] as const) : [];
  const qemu = format === 'qcow2' ? (['qemu'] as const) : [];
  const test = requires('fuse', 'root', ...ring, ...qemu);
  const variant = mountedVariant(transport, format, direct);
  // Mounting takes most of a test's time, so rules without options for all images share a mount.
  test(`${variant.title}: ${TOGETHER.length} rules in one mount`, (t) => {
    const setups = TOGETHER.map(({ setup }) => setup);
    return variant.serveAll(t, setups, async (subjects) => {
      for (const [index, { title, run }] of TOGETHER.entries()) {
        t.log(title);
        await run(t, subjects[index]!, variant);
      }
    });
  });
  for (const { title, setup, run } of isInPairs(served) ? ALONE : []) {
    test(`${variant.title}: ${title}`, (t) =>
      variant.serve(t, setup, (subject) => run(t, subject, variant)));
  }
}
