import { constants } from 'node:fs';
import { join } from 'node:path';
import { FileAgent } from '../helpers/file-agent.js';
import { requires } from '../helpers/requires.js';
import { sluice } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

interface Callers {
  callers: {
    pid: number;
    uid: number;
    command: string;
    rios: number;
    rbytes: number;
    serviceUsec: number;
  }[];
}

requires(
  'fuse',
  'root',
  'io_uring',
)('sluice stat --callers names who reads', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  await withMount(t, [image], [], async (mount) => {
    const agent = new FileAgent(t);
    const fd = await agent.open(mount.file(), constants.O_RDONLY);
    for (let at = 0; at < 3; at++) await agent.read(fd, at * 4096, 4096);
    const json = await sluice(['stat', mount.point, '--callers', '--json']);
    const { callers } = JSON.parse(json.stdout) as Callers;
    const found = callers.find(({ pid }) => pid === agent.pid);
    t.like(found, { uid: 0, rios: 3, rbytes: 3 * 4096 });
    t.true(found!.command.includes('file-agent-main.js'), found!.command);
    const table = await sluice(['stat', mount.point, '--callers']);
    t.true(table.stdout.includes(`${agent.pid}  `), table.stdout);
    const wrong = await sluice(['stat', mount.point, '/', '--callers']);
    t.like(wrong, {
      code: 2,
      stderr: 'sluice: stat: --callers /: callers are those of the whole mount; leave GROUP out\n',
    });
    await agent.close(fd);
  });
});

requires('fuse', 'root')('fuse-native does not tell who calls, and stat says so', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  await withMount(t, [image], ['--transport', 'fuse-native'], async (mount) => {
    const ended = await sluice(['stat', mount.point, '--callers']);
    t.like(ended, { code: 1, stdout: '' });
    t.regex(ended.stderr, /its transport is fuse-native, which does not tell who calls\n$/);
  });
});
