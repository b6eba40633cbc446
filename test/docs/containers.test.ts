import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SLUICE } from '../../tools/lib/program.js';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const containerTest = requires('fuse', 'root', 'runc');

/** What programs of this machine need of its files. */
const SYSTEM = ['/usr', '/bin', '/lib', '/lib64', '/etc'];

interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

interface Config {
  process: { args: string[] };
  mounts: Mount[];
}

const bound = (path: string): Mount => {
  return { destination: path, type: 'bind', source: path, options: ['rbind', 'ro'] };
};

containerTest(
  'in a container with its default seccomp profile sluice mounts by fuse-native',
  async (t) => {
    const folder = tempFolder(t);
    const rootfs = join(folder, 'rootfs');
    for (const name of ['srv', 'mnt', 'var/log', 'tmp', 'run'])
      mkdirSync(join(rootfs, name), { recursive: true });
    sparseFile(join(rootfs, 'srv/disk.img'), MIB);
    const config = JSON.parse(readFileSync('docs/container.json', 'utf8')) as Config;
    // The program is not installed here: it is that of the sources, run by this Node.js.
    const program = resolve(SLUICE);
    const modules = resolve('node_modules');
    const paths = [...SYSTEM, dirname(dirname(program)), modules, process.execPath];
    config.mounts.push(...paths.filter((path) => existsSync(path)).map(bound));
    const start = async (id: string, script: string) => {
      config.process.args = [
        'sh',
        '-c',
        `sluice() { ${process.execPath} ${program} "$@"; }; ${script}`,
      ];
      writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
      return run('runc', ['--root', join(folder, 'state'), 'run', '--bundle', folder, id]);
    };
    const id = `sluice-test-${process.pid}`;
    const able = await start(`${id}-0`, 'true');
    if (able.code !== 0) {
      t.log(`skipped: runc cannot run here: ${able.stderr}`);
      t.pass();
      return;
    }
    const said = JSON.parse(readFileSync('docs/container.json', 'utf8')) as Config;
    const ended = await start(id, said.process.args[2]!);
    t.is(ended.code, 0, ended.stderr);
    t.regex(ended.stdout, /^transport fuse-native$/m);
    t.regex(
      ended.stderr,
      /^sluice: mount: transport fuse-native: io_uring: forbidden here, .*seccomp/,
    );
  },
);
