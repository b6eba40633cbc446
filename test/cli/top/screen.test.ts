import test from 'ava';
import { abilities, difference } from '../../../src/cli/top/screen.js';

const visible = (text: string): string => text.replaceAll('\u001b', '^');

test('only lines that have changed are drawn, each at its place', (t) => {
  const lines = ['abc', 'de', 'full!'].map((text) => ({ text, width: text.length }));
  t.is(visible(difference(['abc', 'dd'], lines, 5)), '^[?2026h^[2;1Hde^[K^[3;1Hfull!^[?2026l');
  t.is(difference(['abc', 'de', 'full!'], lines, 5), '');
});

test('colour and characters by the environment', (t) => {
  t.deepEqual(abilities({ LANG: 'C.UTF-8' }), { isColoured: true, isUtf8: true });
  t.deepEqual(abilities({ LANG: 'C.UTF-8', LC_ALL: 'C' }), { isColoured: true, isUtf8: false });
  t.deepEqual(abilities({ NO_COLOR: '1' }), { isColoured: false, isUtf8: false });
  t.deepEqual(abilities({ NO_COLOR: '', LC_CTYPE: 'en_US.utf8' }), {
    isColoured: true,
    isUtf8: true,
  });
});
