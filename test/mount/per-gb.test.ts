import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from '../helpers/control.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const sizeTest = requires('fuse', 'root', 'io_uring');

const GIB = 1024 * MIB;

const FILE = `
images:
  web: web.img
  log: {path: log.img, growable: true}
groups:
  gold: {total_iops_sec_per_gb: 10, total_iops_sec_per_gb_min: 25, burst.iops: 60/3, members: [web]}
  grown: {per_gb.wbps: 64G, members: [log]}
  none: {per_gb.rbps: 1M}
`;

for (const transport of ['uring', 'fuse-native']) {
  sizeTest(`${transport}: a limit follows the images of its group`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    sparseFile(join(folder, 'web.img'), 2 * GIB);
    sparseFile(join(folder, 'log.img'), MIB);
    const more = sparseFile(join(folder, 'more.img'), 3 * GIB);
    const file = join(folder, 'vm.yaml');
    writeFileSync(file, FILE);
    const saved = join(folder, 'saved.yaml');
    await withMount(t, [], ['--config', file, '--transport', transport], async (mount) => {
      const control = new Control(mount);
      const done = async (command: string, ...words: string[]): Promise<string> => {
        const ended = await warmSluice([command, mount.point, ...words]);
        t.deepEqual([ended.code, ended.stderr], [0, ''], words.join(' '));
        return ended.stdout;
      };
      const now = async (group: string) =>
        (await control.read(`${group}/io.per_gb`)).split('\n')[1];
      t.is(
        await control.read('gold/io.per_gb'),
        'rbps=max wbps=max bps=max riops=max wiops=max iops=10/25\nbytes=2147483648 now.iops=25\n',
      );
      t.regex(await control.read('gold/io.max'), / iops=max /);
      t.is(await now('none'), 'bytes=0 now.rbps=max');
      await done('attach', more, '--assign', 'more=gold');
      t.is(await now('gold'), 'bytes=5368709120 now.iops=50');
      // As its file has it now.
      truncateSync(more, 4 * GIB);
      await done('resize', 'more');
      t.is(await now('gold'), 'bytes=6442450944 now.iops=60');
      await done('resize', 'web', '5G');
      t.is(await now('gold'), 'bytes=9663676416 now.iops=90');
      t.regex(await control.read('gold/io.burst'), / iops=60\/3\n$/);
      const stat = JSON.parse(await done('stat', 'gold', '--json'));
      t.like(stat.groups[0], {
        limits: { iops: null },
        perGb: { iops: { rate: 10, minimum: 25 } },
        sized: { bytes: 9_663_676_416, limits: { iops: 90 } },
      });
      t.regex(
        await done('stat', 'gold'),
        /gold: per_gb\.iops=10\/25 burst\.iops=60\/3 \(9G of images: iops=90\)\n/,
      );
      // Members come and go; a plain limit is the most.
      await control.must('echo more > members; echo iops=40 > gold/io.max');
      t.is(await now('gold'), 'bytes=5368709120 now.iops=40');
      // A file that grows as it is written.
      t.is(await now('grown'), 'bytes=1048576 now.wbps=67108864');
      const at = ['bs=1M', 'seek=1', 'count=1', 'conv=notrunc'];
      await must('dd', ['if=/dev/zero', `of=${mount.file('log')}`, ...at]);
      t.is(await now('grown'), 'bytes=2097152 now.wbps=134217728');
      // What is saved is what was set.
      writeFileSync(saved, await done('save'));
      writeFileSync(file, FILE.replace('_per_gb: 10', '_per_gb: 7'));
      await done('reload');
      t.is(await now('gold'), 'bytes=5368709120 now.iops=35');
      await done('detach', 'web');
      t.is(await now('gold'), 'bytes=0 now.iops=25');
      await done('detach', 'more');
    });
    await withMount(t, [], ['--config', saved, '--transport', transport], async (mount) => {
      const control = new Control(mount);
      t.is(
        await control.read('gold/io.per_gb'),
        'rbps=max wbps=max bps=max riops=max wiops=max iops=10/25\nbytes=5368709120 now.iops=40\n',
      );
      t.regex(await control.read('gold/io.burst'), / iops=60\/3\n$/);
    });
  });
}
