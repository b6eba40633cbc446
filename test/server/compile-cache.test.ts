import test from 'ava';
import { cacheFolder, isOursAlone } from '../../src/server/compile-cache.js';

/** Folders by path: who owns them, and their mode. A link is no folder. */
const FOLDERS: Readonly<Record<string, [uid: number, mode: number, kind?: 'link']>> = {
  '/': [0, 0o755],
  '/tmp': [0, 0o1777],
  '/tmp/a': [1000, 0o700],
  '/home': [0, 0o755],
  '/home/a': [1000, 0o750],
  '/home/a/cache': [1000, 0o700],
  '/home/a/shared': [1000, 0o770],
  '/home/a/link': [1000, 0o777, 'link'],
  '/home/b': [1001, 0o755],
  '/home/b/cache': [1000, 0o700],
};

function isAlone(path: string, uid: number): boolean {
  return isOursAlone(path, uid, (at) => {
    const [owner, mode, kind] = FOLDERS[at]!;
    return { uid: owner, mode, isDirectory: () => kind === undefined };
  });
}

test('code is kept only where nobody else can write', (t) => {
  t.true(isAlone('/home/a/cache', 1000));
  // Of another user: also the folders above.
  t.false(isAlone('/home/a/cache', 0));
  t.false(isAlone('/home/a/cache', 1001));
  t.false(isAlone('/home/b/cache', 1000));
  t.false(isAlone('/home/a/shared', 1000));
  t.false(isAlone('/home/a/link', 1000));
  t.false(isAlone('/tmp/a', 1000));
});

test('root keeps it in a folder of its own, whatever HOME is', (t) => {
  t.is(cacheFolder(0, { HOME: '/home/a', XDG_CACHE_HOME: '/home/a/x' }), '/var/cache/sluice');
  t.is(cacheFolder(1000, { HOME: '/home/a' }), '/home/a/.cache/sluice');
  t.is(cacheFolder(1000, { HOME: '/home/a', XDG_CACHE_HOME: '/x' }), '/x/sluice');
  t.is(cacheFolder(1000, { HOME: '/home/a', XDG_CACHE_HOME: 'x' }), '/home/a/.cache/sluice');
  t.is(cacheFolder(1000, {}), null);
});
