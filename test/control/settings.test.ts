import test from 'ava';
import { type Changes, getValue, putValue, SETTINGS } from '../../src/control/settings.js';
import { SluiceError } from '../../src/util/errors.js';

test('each setting has a place and a word of its own', (t) => {
  const changes: Changes = {};
  for (const [index, setting] of SETTINGS.entries()) putValue(changes, setting, index);
  for (const [index, setting] of SETTINGS.entries()) t.is(getValue(changes, setting), index);
  t.is(new Set(SETTINGS.map(({ key }) => key)).size, SETTINGS.length);
  t.is(new Set(SETTINGS.map(({ file, word }) => `${file} ${word}`)).size, SETTINGS.length);
});

test('what a setting is at first, its least and its largest value are read as they are written', (t) => {
  for (const { key, initial, type } of SETTINGS) {
    if (key === 'member') continue;
    const isNumber = !/^(burst|per_gb)\./.test(key);
    const values = [initial];
    const [least, largest] = type.range ?? [];
    const scale = key === 'latency' ? 1000 : 1;
    for (const bound of [least, largest]) {
      if (bound === undefined) continue;
      if (isNumber) values.push(bound * scale);
      else if (key.startsWith('burst.')) values.push({ rate: bound, seconds: 1.5 });
      else values.push({ rate: bound, minimum: 0 }, { rate: bound, minimum: bound });
    }
    for (const value of values) t.deepEqual(type.parse(type.format(value), key), value, key);
    if (largest === undefined || !isNumber) continue;
    const above = type.format((largest + 1) * scale);
    t.is(
      t.throws(() => type.parse(above, key), { instanceOf: SluiceError })?.errno,
      'ERANGE',
      `${key}=${above}`,
    );
  }
});
