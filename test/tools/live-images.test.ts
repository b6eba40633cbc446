import { fileURLToPath } from 'node:url';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';

const TOOL = fileURLToPath(new URL('../../tools/live-images.js', import.meta.url));

const leakTest = requires('fuse', 'root', 'io_uring', 'qemu', 'fio');

for (const transport of ['uring', 'fuse-native']) {
  leakTest(`${transport}: images that come and go under load leave nothing behind`, async (t) => {
    const words = [TOOL, '--count', '120', '--rounds', '0', '--transport', transport];
    const ended = await run(process.execPath, words, { limitMs: 200_000 });
    t.log(ended.stdout);
    t.is(ended.code, 0, ended.stdout + ended.stderr);
    t.regex(ended.stdout, /\nno fault\n$/);
  });
}
