import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { END, OPTIONS, PLAYERS } from './demo/script.js';
import { atEnd, runTool } from './lib/cleanup.js';
import { type RunningFio, startFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { toolOptions } from './lib/options.js';
import { isInstalled, run } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { checkSluiceBuilt, mountSluice } from './lib/sluice.js';
import { type Frame, movingPicture } from './record/moving-picture.js';
import { parseScreen } from './record/screen-text.js';

/** Records `sluice top` on a real terminal (tmux) as a picture that moves, while a weight changes and is taken back. */

const IMAGE_MIB = 128;
const COLUMNS = 100;
const ROWS = 17;
/** From one screen of the picture to the next. */
const FRAME_MS = 500;
/** Seconds before the recording, in which the curves of the last minute fill. */
const BEFORE_S = 30;
/** What the screen says after these keys, if they reached the group that they are meant for. */
const SAID = 'silver: weight=320 (was weight=20';

/** The mount point in the picture. */
const SHOWN = '/mnt/s';

/** What is typed, each after so many screens. */
const TYPED: readonly (readonly [frames: number, keys: readonly string[]])[] = [
  [5, ['Down']],
  [1, ['Down']],
  [2, ['w']],
  [1, ['3']],
  [1, ['2']],
  [1, ['0']],
  [2, ['Enter']],
  [14, ['u']],
  [12, []],
];

interface Terminal {
  type(...keys: string[]): Promise<unknown>;
  frame(): Promise<Frame>;
}

async function openTerminal(folder: string, mountpoint: string): Promise<Terminal> {
  const tmux = (...words: string[]): Promise<string> =>
    run('tmux', ['-S', join(folder, 'tmux'), '-f', '/dev/null', ...words]);
  atEnd(async () => {
    await tmux('kill-server').catch(() => {});
  });
  const line = `LANG=C.UTF-8 exec '${process.execPath}' '${SLUICE}' top '${mountpoint}'`;
  await tmux('new-session', '-d', '-x', `${COLUMNS}`, '-y', `${ROWS}`, line);
  return {
    type: (...keys) => tmux('send-keys', ...keys),
    frame: async () => {
      const text = await tmux('capture-pane', '-e', '-p');
      // The folder has a random name. What it is longer goes between the head and the time of the day.
      const room = ' '.repeat(mountpoint.length - SHOWN.length);
      const shown = text.replace(mountpoint, SHOWN).replace('uring', `uring${room}`);
      return { lines: parseScreen(shown) };
    },
  };
}

async function record(terminal: Terminal): Promise<Frame[]> {
  const frames: Frame[] = [];
  let next = performance.now();
  for (const [count, keys] of TYPED) {
    for (let frame = 0; frame < count; frame += 1) {
      next += FRAME_MS;
      await delay(Math.max(0, next - performance.now()));
      frames.push(await terminal.frame());
    }
    if (keys.length > 0) await terminal.type(...keys);
  }
  return frames;
}

async function main(): Promise<number> {
  const { svg } = toolOptions('record', 'Records sluice top as a picture that moves.')
    .options({ svg: { type: 'string', demandOption: true, describe: 'the file to write' } })
    .parseSync();
  await checkSluiceBuilt();
  for (const program of ['fio', 'tmux']) {
    if (!(await isInstalled(program))) throw new Error(`${program} is missing; run make setup`);
  }
  const folder = await temporaryFolder(tmpdir());
  const images: Record<string, string> = {};
  for (const { name } of PLAYERS) {
    images[name] = join(folder, `${name}.img`);
    await makeImage(images[name], IMAGE_MIB);
  }
  const size = IMAGE_MIB * 1024 * 1024;
  const mount = await mountSluice(join(folder, 'mnt'), images, size, OPTIONS);
  const loads: RunningFio[] = [];
  for (const { name, depth, jobs } of PLAYERS) {
    const file = mount.file(name);
    const job = { file, size, rw: 'randread', blockSize: 4096, depth, jobs } as const;
    loads.push(await startFio({ ...job, seconds: 600, rampSeconds: 0 }, folder));
  }
  const terminal = await openTerminal(folder, mount.mountpoint);
  await delay(1000);
  // Members have the same figures as their groups here.
  await terminal.type('m');
  await delay(BEFORE_S * 1000);
  const frames = await record(terminal);
  await terminal.type('q');
  const end = END.map((word) => (word === 'MOUNTPOINT' ? mount.mountpoint : word));
  await run(process.execPath, [SLUICE, ...end]);
  await Promise.all(loads.map((load) => load.end()));
  await mount.stop();
  const lines = frames.flatMap((frame) => frame.lines);
  if (!lines.some((runs) => runs.some(({ text }) => text.includes(SAID)))) {
    throw new Error(`no screen says "${SAID}": the keys reached another row`);
  }
  await writeFile(svg, movingPicture(frames, COLUMNS, ROWS, FRAME_MS / 1000));
  return 0;
}

await runTool('record', main);
