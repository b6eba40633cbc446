import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tab } from '../helpers/chromium.js';
import { OWN_ADDRESS, OWN_PORTS } from '../helpers/own-address.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

/** Where screenshots are kept, to be looked at; unset: nowhere. */
const SHOTS = process.env.SLUICE_SCREENSHOTS;
const SIZES = [
  ['wide', 1280, 1000],
  ['phone', 390, 844],
] as const;

const ADDRESS = `${OWN_ADDRESS}:${OWN_PORTS[0]}`;

/** Names of the groups in the table, and the chosen one. */
const GROUPS = `[...document.querySelectorAll('#groups button')].map((b) => b.textContent).join(' ')`;
const CHOSEN = `document.querySelector('#groups .chosen button')?.textContent`;
const CURVES = `document.querySelectorAll('canvas').length`;
/** What the table leaves out on a phone; '' where it is not shown. */
const BRIEF = `((e) => e.offsetHeight > 0 ? e.textContent : '')(document.querySelector('#brief'))`;
/** The page scrolls down, never to the side. */
const FITS = `document.documentElement.scrollWidth <= innerWidth`;

requires(
  'fuse',
  'root',
  'io_uring',
  'chromium',
)('the page shows groups and callers', async (t) => {
  const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), MIB);
  const words = ['--group', 'gold:wiops=10,weight=80', '--group', 'tin', '--assign', 'disk=gold'];
  await withMount(t, [image], [...words, '--metrics', ADDRESS], async (mount) => {
    const write = ['if=/dev/zero', `of=${mount.file()}`, 'bs=4k', 'oflag=direct', 'conv=notrunc'];
    await must('dd', [...write, 'count=3']);
    const tab = await Tab.open(t);
    await tab.look(1280, 1000, 'light');
    await tab.go(`http://${ADDRESS}/`);
    t.is(await tab.until(GROUPS, '/ gold tin'), '/ gold tin');
    t.is(await tab.value(`document.querySelector('#state').textContent`), 'Live');
    t.is(await tab.value(`document.querySelector('#mount').textContent`), mount.point);
    t.is(await tab.until(CURVES, 4), 4);
    // dd has ended, maybe before anybody has read its name.
    const callers = `/\\[ended\\]|dd if=/.test(document.querySelector('#callers').textContent)`;
    t.is(await tab.until(callers, true), true);
    // The next second leaves a selection as it is.
    await tab.value(`(() => {
      window.command = document.querySelector('#callers td.command');
      getSelection().selectAllChildren(command);
    })()`);
    t.is(await tab.value('command.title === command.textContent && command.title !== ""'), true);
    const time = `document.querySelector('#bytes').textContent`;
    const before = await tab.value(time);
    t.is(await tab.until(`${time} !== ${JSON.stringify(before)}`, true), true);
    t.is(await tab.value('command.isConnected'), true);
    await tab.value('getSelection().removeAllRanges()');
    t.is(await tab.until('command.isConnected', false), false);
    // By the keyboard alone.
    await tab.value(`document.querySelector('#groups button').focus()`);
    await tab.key('ArrowDown');
    t.is(await tab.until(CHOSEN, 'gold'), 'gold');
    t.is(await tab.value('document.activeElement.dataset.path'), 'gold');
    await tab.key('ArrowDown');
    await tab.key('ArrowDown');
    t.is(await tab.until(CHOSEN, 'tin'), 'tin');
    await tab.key('ArrowUp');
    t.is(await tab.until(CHOSEN, 'gold'), 'gold');
    const paper: unknown[] = [];
    for (const colours of ['light', 'dark'] as const) {
      for (const [name, width, height] of SIZES) {
        await tab.look(width, height, colours);
        t.is(await tab.until(FITS, true), true, name);
        const brief = name === 'phone' ? 'weight 80; wiops 0 of 10; 0 queued' : '';
        t.is(await tab.until(BRIEF, brief), brief);
        if (SHOTS === undefined) continue;
        mkdirSync(SHOTS, { recursive: true });
        await must('dd', [...write, 'count=25']);
        await tab.screenshot(join(SHOTS, `${name}-${colours}.png`));
      }
      paper.push(await tab.value('getComputedStyle(document.body).backgroundColor'));
    }
    t.deepEqual(paper, ['rgb(255, 255, 255)', 'rgb(20, 23, 27)']);
    await tab.close();
  });
});

/** Moves a slider as the keyboard does, and waits for nothing. */
const slide = (key: string, place: number): string => `(() => {
  const slider = document.getElementById('slider-${key}');
  slider.value = '${place}';
  for (const name of ['input', 'change']) slider.dispatchEvent(new Event(name));
  return slider.disabled;
})()`;
const field = (key: string): string => `document.getElementById('slider-${key}').nextSibling.value`;
const SAID = `document.querySelector('#said').textContent`;
const UNDO = `document.querySelector('#undo')`;

requires(
  'fuse',
  'root',
  'io_uring',
  'chromium',
)('who has the token changes weights and limits on the page, and takes them back', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const token = join(folder, 'token');
  writeFileSync(token, 'correct-horse-battery', { mode: 0o600 });
  const words = ['--group', 'gold:weight=80', '--assign', 'disk=gold'];
  const page = ['--metrics', ADDRESS, '--metrics-write', token];
  await withMount(t, [image], [...words, ...page], async (mount) => {
    const set = (file: string): string =>
      readFileSync(join(mount.point, '.groups/gold', file), 'utf8');
    const tab = await Tab.open(t);
    await tab.look(1280, 1000, 'light');
    await tab.go(`http://${ADDRESS}/`);
    t.is(await tab.until(GROUPS, '/ gold'), '/ gold');
    await tab.value(`document.querySelector('#groups button').focus()`);
    await tab.key('ArrowDown');
    t.is(await tab.until(field('weight'), '80'), '80');
    t.is(await tab.value(`document.querySelector('#slider-weight').disabled`), true);
    const type = (text: string): Promise<unknown> =>
      tab.value(`(() => {
        const token = document.querySelector('#token');
        token.value = '${text}';
        token.dispatchEvent(new Event('input'));
      })()`);
    await type('another-token-than-that');
    await tab.value(slide('weight', 100));
    t.is(await tab.until(SAID, 'the token is another one'), 'the token is another one');
    t.is(set('io.weight'), 'default 80\n');
    await type('correct-horse-battery');
    t.is(await tab.until(field('weight'), '80'), '80');
    await tab.value(slide('weight', 65));
    t.is(await tab.until(SAID, 'gold: weight=20 (was 80)'), 'gold: weight=20 (was 80)');
    t.is(set('io.weight'), 'default 20\n');
    await tab.value(slide('iops', 100));
    t.is(await tab.until(SAID, 'gold: iops=1000 (was max)'), 'gold: iops=1000 (was max)');
    t.regex(set('io.max'), /\biops=1000\b/);
    if (SHOTS !== undefined) {
      mkdirSync(SHOTS, { recursive: true });
      for (const [name, width, height] of SIZES) {
        for (const colours of ['light', 'dark'] as const) {
          await tab.look(width, height, colours);
          await tab.screenshot(join(SHOTS, `write-${name}-${colours}.png`));
        }
      }
    }
    for (const [, width, height] of SIZES) {
      await tab.look(width, height, 'light');
      t.is(await tab.until(FITS, true), true);
    }
    await tab.value(`${UNDO}.click()`);
    t.is(await tab.until(SAID, 'gold: iops=max (was 1000)'), 'gold: iops=max (was 1000)');
    await tab.value(`${UNDO}.click()`);
    t.is(await tab.until(SAID, 'gold: weight=80 (was 20)'), 'gold: weight=80 (was 20)');
    t.is(set('io.weight'), 'default 80\n');
    t.is(await tab.until(`${UNDO}.disabled`, true), true);
    await tab.close();
  });
});
