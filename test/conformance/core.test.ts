import { requires } from '../helpers/requires.js';
import { ENGINES, type EngineName } from './core-engines.js';
import { coreVariant } from './core-variant.js';
import { FORMATS } from './exceptions.js';
import { testRules } from './rules.js';

// This test needs neither root nor /dev/fuse.
const VARIANTS = (Object.keys(ENGINES) as EngineName[]).flatMap((engine) => {
  return FORMATS.flatMap((format) => {
    // What differs between the two for flat extents, raw images have too.
    const modes = format === 'vmdk' || format === 'vhd' ? [true] : [true, false];
    return modes.map((direct) => ({ engine, format, direct }));
  });
});

for (const { engine, format, direct } of VARIANTS) {
  const test = requires(...ENGINES[engine].needs, ...(format === 'raw' ? [] : (['qemu'] as const)));
  testRules(test, coreVariant(engine, format, direct));
}
