import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, IN_THE_END_MS } from '../../helpers/proc.js';
import { requires } from '../../helpers/requires.js';
import { must, run, sluiceWords } from '../../helpers/run.js';
import { withMount } from '../../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../../helpers/temp.js';

const terminalTest = requires('fuse', 'root', 'io_uring', 'tmux');

terminalTest('a weight is changed on a terminal, and taken back', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const words = ['--group', 'gold:weight=80', '--assign', 'disk=gold'];
  await withMount(t, [image], words, async (mount) => {
    const tmux = ['-S', join(folder, 'tmux'), '-f', '/dev/null'];
    const screen = async (): Promise<string> =>
      (await run('tmux', [...tmux, 'capture-pane', '-p'])).stdout;
    const shows = async (text: string): Promise<boolean> => {
      const end = performance.now() + IN_THE_END_MS;
      while (!(await screen()).includes(text)) {
        if (performance.now() > end) return false;
        await delay(20);
      }
      return true;
    };
    const type = (...keys: string[]): Promise<string> =>
      must('tmux', [...tmux, 'send-keys', ...keys]);
    const weight = (): string =>
      readFileSync(join(mount.point, '.groups', 'gold', 'io.weight'), 'utf8');
    t.teardown(() => run('tmux', [...tmux, 'kill-server']));
    const program = [process.execPath, ...sluiceWords('top', mount.point)];
    const size = ['-x', '80', '-y', '24'];
    // The shell goes on: what is left on the terminal when the program has ended can be looked at.
    const line = `${program.map((word) => `'${word}'`).join(' ')}; echo ended with $?; exec sleep 1000`;
    await must('tmux', [...tmux, 'new-session', '-d', ...size, line]);
    t.true(await shows('? help'), await screen());
    t.regex(await screen(), /^sluice top {2}\//);
    await type('Down', 'w');
    t.true(await shows('gold (now weight=80): weight=_'), await screen());
    await type('2', '0', 'Enter');
    t.true(await shows('gold: weight=20 (was weight=80; u takes it back)'), await screen());
    t.is(weight(), 'default 20\n');
    await type('u');
    t.true(await eventually(() => weight() === 'default 80\n'));
    await must('tmux', [...tmux, 'resize-window', '-x', '120', '-y', '40']);
    t.true(await shows('SERVICE'), await screen());
    await type('q');
    t.true(await shows('ended with 0'), await screen());
    t.false((await screen()).includes('? help'), 'the terminal is as it was');
  });
});
