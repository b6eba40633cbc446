import { fileURLToPath } from 'node:url';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';

const SOAK = fileURLToPath(new URL('../../tools/soak.js', import.meta.url));

requires(
  'fuse',
  'root',
  'io_uring',
  'qemu',
)('six seconds of soak find nothing', async (t) => {
  const words = [SOAK, '--minutes', '0.1', '--seed', '20'];
  const ended = await run(process.execPath, words, { limitMs: 200_000 });
  t.log(ended.stdout);
  t.is(ended.code, 0, ended.stdout + ended.stderr);
  t.regex(ended.stdout, /\nno fault\n$/);
});
