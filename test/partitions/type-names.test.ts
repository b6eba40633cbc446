import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { typeName } from '../../src/partitions/type-names.js';
import { requires } from '../helpers/requires.js';

const sfdiskTest = requires('sfdisk');

/** Types in the words of sfdisk: `83  Linux`. */
function listed(label: string): string {
  return execFileSync('sfdisk', ['--label', label, '--list-types'], { encoding: 'utf8' });
}

sfdiskTest('each type that has a name is one that sfdisk knows', (t) => {
  const source = readFileSync('src/partitions/type-names.ts', 'utf8');
  const types = [...source.matchAll(/\['([0-9A-F-]{36})'/g)].map(([, type]) => type!);
  t.true(types.length > 30);
  const known = listed('gpt');
  t.deepEqual(
    types.filter((type) => !known.includes(type)),
    [],
  );
  const numbers = [...source.matchAll(/\['([0-9a-f]{1,2})'/g)].map(([, type]) => type!);
  t.true(numbers.length > 20);
  const lines = listed('dos');
  t.deepEqual(
    numbers.filter((type) => !new RegExp(`(^|\\n) *${type}  `).test(lines)),
    [],
  );
});

sfdiskTest('the names of the types that every image has', (t) => {
  t.is(typeName('83'), 'Linux');
  t.is(typeName('0FC63DAF-8483-4772-8E79-3D69D8477DE4'), 'Linux filesystem');
  t.is(typeName('ab'), null);
});
