import { readFileSync } from 'node:fs';
import test from 'ava';
import type * as api from '../../src/api/types.js';
import type { ImageSnapshot, PartitionSnapshot } from '../../src/control/control.js';
import type { FaultsSnapshot } from '../../src/control/faults.js';
import type { FiguresJson } from '../../src/control/json.js';
import type { AttachRequest } from '../../src/server/api-schema.js';
import type { SavedConfig } from '../../src/server/save-config.js';

/** `true` if each of two types has the properties of the other. */
type Same<One, Other> = [Required<One>] extends [Required<Other>]
  ? [Required<Other>] extends [Required<One>]
    ? keyof One extends keyof Other
      ? keyof Other extends keyof One
        ? true
        : never
      : never
    : never
  : never;

// The file is published as it is, so it imports nothing and repeats types of the daemon. tsc fails where they differ.
const SAME: {
  request: Same<api.ImageRequest, AttachRequest>;
  image: Same<api.Image, ImageSnapshot>;
  faults: Same<api.FaultsState, FaultsSnapshot>;
  partition: Same<api.Partition, PartitionSnapshot>;
  figures: Same<api.Figures, FiguresJson>;
  saved: Same<keyof api.Saved['config'], keyof SavedConfig['config']>;
} = { request: true, image: true, faults: true, partition: true, figures: true, saved: true };

test('the published types are those of the daemon, and import nothing', (t) => {
  t.is(Object.values(SAME).length, 6);
  t.notRegex(readFileSync('src/api/types.ts', 'utf8'), /^import |\bimport\(/m);
});
