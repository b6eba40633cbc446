import { fileURLToPath } from 'node:url';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';

const TORTURE = fileURLToPath(new URL('../../tools/torture.js', import.meta.url));
/** It takes half a minute on two processors that do nothing else. */
const LIMIT_MS = 280_000;

requires(
  'fuse',
  'root',
  'io_uring',
  'qemu',
)('the short form of torture passes', async (t) => {
  const ended = await run(process.execPath, [TORTURE, '--short'], { limitMs: LIMIT_MS });
  t.log(ended.stdout);
  t.is(ended.code, 0, ended.stdout + ended.stderr);
  t.regex(ended.stdout, /\n\d+ passed, 0 failed, \d+ skipped( \(.*\))?\n$/);
});

requires('root')('wrong usage of torture is refused', async (t) => {
  const ended = await run(process.execPath, [TORTURE, '--only', 'no-such-thing']);
  t.is(ended.code, 2);
  t.regex(ended.stderr, /^torture: --only: "no-such-thing" is none of /);
});
