import { readdirSync } from 'node:fs';
import test from 'ava';
import { linkTarget } from '../../src/sys/files.js';
import { SpareDescriptors } from '../../src/sys/spare-descriptors.js';

const isNull = (fd: string): boolean => linkTarget(`/proc/self/fd/${fd}`) === '/dev/null';
const count = (): number => readdirSync('/proc/self/fd').filter(isNull).length;

test.serial('spare descriptors are held, released and held again', (t) => {
  const before = count();
  const spare = new SpareDescriptors(3);
  t.is(count(), before + 3);
  spare.release();
  t.is(count(), before);
  spare.tryToTake();
  spare.tryToTake();
  t.is(count(), before + 3);
  spare.release();
  spare.release();
  t.is(count(), before);
});
