import { fileURLToPath } from 'node:url';
import test from 'ava';
import { run } from '../helpers/run.js';

const PLAIN_CODE = fileURLToPath(new URL('../../src/cli/plain-code.js', import.meta.url));

test('a function that is called often is not compiled anew', async (t) => {
  const traced = async (first: string): Promise<boolean> => {
    const often = 'let s = 0; for (let i = 0; i < 1e7; i++) s += i % 7;';
    const text = `import { keepPlainCode } from ${JSON.stringify(PLAIN_CODE)}; ${first} ${often}`;
    const words = ['--trace-opt', '--input-type=module', '-e', text];
    const { code, stdout, stderr } = await run(process.execPath, words);
    t.is(code, 0, stderr);
    t.is(stderr, '');
    return /TURBOFAN/.test(stdout);
  };
  t.true(await traced(''));
  t.false(await traced('keepPlainCode();'));
});
