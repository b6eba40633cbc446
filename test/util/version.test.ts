import test from 'ava';
import { isLinuxSince } from '../../src/util/version.js';

test('versions of Linux are compared by their numbers', (t) => {
  for (const running of ['6.9.0', '6.18.44-fc', '7.0'])
    t.true(isLinuxSince(6, 9, running), running);
  for (const running of ['6.8.12', '5.19.0-generic', '4.20']) {
    t.false(isLinuxSince(6, 9, running), running);
  }
});
