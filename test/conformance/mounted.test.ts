import { requires } from '../helpers/requires.js';
import { FORMATS, NEEDS, TRANSPORTS } from './exceptions.js';
import { mountedVariant } from './mounted-variant.js';
import { testRules } from './rules.js';

const VARIANTS = TRANSPORTS.flatMap((transport) => {
  return FORMATS.flatMap((format) => {
    return [true, false].map((direct) => ({ transport, format, direct }));
  });
});

/**
 * Selects half of the variants, which still have every pair of transport, format and mode. That is
 * enough for rules that need a mount of their own.
 */
function isInPairs({ transport, format, direct }: (typeof VARIANTS)[number]): boolean {
  return (transport === 'uring') === ((format === 'raw') === direct);
}

for (const served of VARIANTS) {
  const { transport, format, direct } = served;
  const qemu = format === 'raw' ? [] : (['qemu'] as const);
  const test = requires('fuse', 'root', ...NEEDS[transport], ...qemu);
  testRules(test, mountedVariant(transport, format, direct), isInPairs(served));
}

testRules(requires('fuse', 'root', 'io_uring'), mountedVariant('uring', 'raw', true, true));
