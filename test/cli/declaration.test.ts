import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { helpOfOption } from '../../src/cli/declaration.js';

test('the help of an option begins with what its value is', (t) => {
  const help = (describe: string) => helpOfOption({ type: 'string', describe });
  t.deepEqual(help('FILE: where it logs'), { value: 'FILE', text: 'where it logs' });
  t.deepEqual(help('PATH[:KEY=VALUE,...]: a group: x'), {
    value: 'PATH[:KEY=VALUE,...]',
    text: 'a group: x',
  });
  t.deepEqual(help('[HOST:]PORT: there'), { value: '[HOST:]PORT', text: 'there' });
  t.deepEqual(helpOfOption({ type: 'boolean', describe: 'JSON: not a value' }), {
    value: null,
    text: 'JSON: not a value',
  });
});

test('every option with a value says what that is', async (t) => {
  for (const { name, load } of COMMANDS) {
    const { options } = (await load()).declaration;
    for (const [option, declared] of Object.entries(options)) {
      const isText = declared.type === 'string';
      t.is(helpOfOption(declared).value !== null, isText, `${name} --${option}`);
    }
  }
});
