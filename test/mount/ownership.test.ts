import { statSync } from 'node:fs';
import { join } from 'node:path';
import { OtherUser } from '../helpers/other-user.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const rootTest = requires('fuse', 'root', 'io_uring', 'setpriv');

for (const transport of ['uring', 'fuse-native']) {
  rootTest(`${transport}: --owner lets another user write a mount of root`, async (t) => {
    const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
    const words = ['--owner', 'nobody:65534', '--mode', '0600', '--allow-other'];
    await withMount(t, [image], [...words, '--transport', transport], async ({ point }) => {
      const disk = join(point, 'disk.raw');
      t.is(statSync(disk).mode & 0o7777, 0o600);
      t.is(statSync(join(point, '.groups', 'io.max')).uid, 0);
      const user = new OtherUser(t, [], join(point, '..'));
      const write = ['if=/dev/zero', 'bs=4096', 'count=1', 'conv=notrunc'];
      const written = await user.run('dd', ...write, `of=${disk}`);
      t.is(written.code, 0, written.stderr);
      const refused = await user.run('dd', ...write, `of=${join(point, '.groups', 'io.max')}`);
      t.regex(refused.stderr, /Permission denied/);
    });
  });

  rootTest(`${transport}: df shows what the host has allocated`, async (t) => {
    // A file system on a disk counts blocks of its own, too, for a file in many pieces.
    const image = sparseFile(join(tempFolder(t, TMPFS), 'disk.img'), 16 * MIB);
    await withMount(t, [image], ['--transport', transport], async ({ point }) => {
      const df = async (): Promise<string> => {
        const text = await must('df', ['-B1', '--output=size,used,avail', point]);
        return text.trim().split('\n').at(-1)!.trim().replace(/ +/g, ' ');
      };
      t.is(await df(), '16777216 0 16777216');
      const disk = join(point, 'disk.raw');
      await must('dd', ['if=/dev/urandom', `of=${disk}`, 'bs=1M', 'count=4', 'conv=notrunc,fsync']);
      t.is(await df(), '16777216 4194304 12582912');
    });
  });
}

rootTest(
  'with --cache page a second open reads nothing anew, until the host file changes',
  async (t) => {
    const image = patternFile(join(tempFolder(t), 'disk.img'), 4 * MIB);
    await withMount(t, [image], ['--cache', 'page', '--read-only'], async ({ point }) => {
      const disk = join(point, 'disk.raw');
      const rios = async (): Promise<number> => {
        const text = await must('cat', [join(point, '.groups', 'io.stat')]);
        return Number(/^disk .*?\brios=([0-9]+)/m.exec(text)?.[1]);
      };
      const requestsOfReading = async (): Promise<number> => {
        const before = await rios();
        await must('cmp', [image, disk]);
        return (await rios()) - before;
      };
      const first = await requestsOfReading();
      t.true(first >= 8, String(first));
      // A machine that is short of memory drops a few pages of any file.
      const second = await requestsOfReading();
      t.true(second <= first / 4, `${second} of ${first}`);
      await must('dd', ['if=/dev/zero', `of=${image}`, 'bs=1M', 'count=1', 'conv=notrunc']);
      const third = await requestsOfReading();
      t.true(third >= first / 2, `${third} of ${first}`);
    });
  },
);

rootTest('owners and modes that cannot be kept are refused', async (t) => {
  for (const [words, why] of [
    [['--owner', 'no-such-user', '--allow-other'], /there is no user no-such-user/],
    [['--owner', '1'], /add --allow-other/],
    [['--owner', ':1'], /expected USER/],
    [['--mode', '888'], /octal/],
    [['--mode', '4755'], /0 to 0777/],
  ] as const) {
    const ended = await warmSluice(['mount', '/dev/null', '/nowhere', ...words]);
    t.is(ended.code, 2, ended.stderr);
    t.regex(ended.stderr, why);
  }
});
