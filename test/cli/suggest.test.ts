import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { helpOfOption } from '../../src/cli/declaration.js';
import { type Live, suggest } from '../../src/cli/suggest.js';

const LIVE: Live = {
  mountpoints: async () => ['/mnt/s', '/mnt/t'],
  groups: async (mountpoint) => (mountpoint === '/mnt/s' ? ['/', 'gold', 'slow'] : []),
  images: async (mountpoint) => (mountpoint === '/mnt/s' ? ['db', 'web'] : []),
};

/** The words for a line whose last word is being typed. */
async function words(...line: string[]): Promise<string[]> {
  const found = await suggest(line.slice(0, -1), line.at(-1)!, COMMANDS, LIVE);
  return found.map(({ word }) => word);
}

test('the first word is a command or an option of all', async (t) => {
  const all = await words('');
  for (const { name } of COMMANDS) t.true(all.includes(name), name);
  t.deepEqual(await words('um'), ['umount']);
  t.deepEqual(await words('--v'), ['--verbose', '--version']);
  t.deepEqual(await words('help', 'det'), ['detach']);
  t.deepEqual(await words('nonsense', ''), []);
});

test('every option of every command is offered, with its help', async (t) => {
  for (const { name, load } of COMMANDS) {
    const { options } = (await load()).declaration;
    const found = await suggest([name], '-', COMMANDS, LIVE);
    for (const [option, declared] of Object.entries(options)) {
      const word = option.length === 1 ? `-${option}` : `--${option}`;
      const about = helpOfOption(declared).text;
      t.true(
        found.some((one) => one.word === word && one.about === about),
        `${name} ${word}`,
      );
    }
  }
});

test('an option that is given is not offered again, unless it is repeatable', async (t) => {
  t.deepEqual(await words('mount', '--depth', '4', '--read-only', '--de'), []);
  t.deepEqual(await words('mount', '--no-read-only', '--read'), []);
  t.deepEqual(await words('mount', '--group=a', '--grou'), ['--group']);
  t.deepEqual(await words('mount', '--no-gr'), ['--no-growable']);
});

test('values of options', async (t) => {
  t.deepEqual(await words('mount', '--transport', 'fuse'), ['fuse-uring', 'fuse-native']);
  t.deepEqual(await words('mount', '--cache=p'), ['--cache=page']);
  t.deepEqual(await words('info', '--format', 'qcow'), ['qcow2', 'qcow']);
  t.deepEqual(await words('mount', '--sector-size', ''), ['512', '4096']);
  // Names of files are the shell's.
  t.deepEqual(await words('mount', '--overlay', ''), []);
  t.deepEqual(await words('mount', '--group', 'gold:weight=4,w'), [
    'gold:weight=4,wbps=',
    'gold:weight=4,wiops=',
    'gold:weight=4,weight=',
  ]);
});

test('members go to the groups of the line, or of the mount', async (t) => {
  const line = ['mount', 'web.img', '--group', 'gold:bps=1M', '--group=dark', '--assign'];
  t.deepEqual(await words(...line, 'web='), ['web=gold', 'web=dark']);
  t.deepEqual(await words('attach', '/mnt/s', 'new.img', '--assign', 'new=s'), ['new=slow']);
  t.deepEqual(await words('attach', '/mnt/s', 'new.img', '--assign', 'ne'), []);
});

test('mount points, groups, images and keys', async (t) => {
  t.deepEqual(await words('umount', ''), ['/mnt/s', '/mnt/t']);
  t.deepEqual(await words('umount', '/mnt/s', ''), []);
  t.deepEqual(await words('stat', '--watch', '/mnt/s', 'g'), ['gold']);
  t.deepEqual(await words('detach', '/mnt/s', ''), ['db', 'web']);
  t.deepEqual(await words('resize', '/mnt/s', 'web', ''), []);
  t.deepEqual(await words('set', '/mnt/s', 'gold', 'min.'), ['min.bps=', 'min.iops=']);
  t.deepEqual(await words('set', '/mnt/s', 'gold', 'bps=1M', 'member=w'), ['member=web']);
  t.deepEqual(await words('config', ''), ['check', 'schema']);
  t.deepEqual(await words('completion', 'b'), ['bash']);
});

test('an overlay of a mount, and faults', async (t) => {
  t.deepEqual(await words('overlay', ''), ['commit', 'reset']);
  t.deepEqual(await words('overlay', 'commit', '/m'), ['/mnt/s', '/mnt/t']);
  t.deepEqual(await words('overlay', 'reset', '--verbose', '/mnt/s', 'd'), ['db']);
  t.deepEqual(await words('overlay', 'reset', '/mnt/s', 'db', ''), []);
  t.deepEqual(await words('faults', '/mnt/s', 'w'), ['web']);
  t.deepEqual(await words('faults', '/mnt/s', 'web', 'flush.'), [
    ...['flush.error=', 'flush.errno=', 'flush.delay='],
  ]);
  t.deepEqual(await words('faults', '/mnt/s', 'web', 'error=1%', 'o'), ['off']);
  t.deepEqual(await words('mount', '--faults', 'we'), []);
  t.deepEqual(await words('mount', '--faults', 'web:se'), ['web:seed=']);
  t.deepEqual(await words('attach', '--faults=delay=1s,se'), ['--faults=delay=1s,seed=']);
});

test('nothing is offered for the command of a mount, and for names of files', async (t) => {
  t.deepEqual(await words('mount', 'disk.img', '/mnt/s', '--', 'fs'), []);
  t.deepEqual(await words('mount', ''), []);
  t.deepEqual(await words('info', ''), []);
});
