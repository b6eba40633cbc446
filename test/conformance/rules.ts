import type { requires } from '../helpers/requires.js';
import { CASES, type Case } from './cases.js';
import type { Variant } from './subject.js';

function isPlain({ setup }: Case): boolean {
  return setup.growable !== true && setup.readOnly !== true;
}

const TOGETHER = CASES.filter(isPlain);
const ALONE = CASES.filter((one) => !isPlain(one));

/**
 * Declares the tests of a variant. To serve an image takes most of a test's time, so rules without options
 * for all images are tested together, each with an image of its own.
 *
 * @param alone Whether to test the rules that must be alone too.
 */
export function testRules(test: ReturnType<typeof requires>, variant: Variant, alone = true): void {
  const all = [TOGETHER, ...(alone ? ALONE.map((one) => [one]) : [])];
  const isKept = ({ ofDaemon }: Case): boolean => ofDaemon !== true || !variant.passedThrough;
  for (const cases of all.map((some) => some.filter(isKept)).filter(({ length }) => length > 0)) {
    const what = cases.length === 1 ? cases[0]!.title : `${cases.length} rules`;
    test(`${variant.title}: ${what}`, async (t) => {
      const setups = cases.map(({ setup }) => setup);
      await variant.serve(t, setups, async (subjects) => {
        for (const [index, { title, run }] of cases.entries()) {
          t.log(title);
          await run(t, subjects[index]!, variant);
        }
      });
    });
  }
}
