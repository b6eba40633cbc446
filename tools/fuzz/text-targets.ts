import { orderOf } from '../../src/cli/commands/set.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { parseImageCommand } from '../../src/cli/image-commands.js';
import { buildMountConfig } from '../../src/cli/mount-config.js';
import type { MountArguments } from '../../src/cli/mount-options.js';
import { parseLine } from '../../src/cli/parser.js';
import { Control, type Membership } from '../../src/control/control.js';
import { RULE_KINDS } from '../../src/control/members.js';
import { SETTINGS } from '../../src/control/settings.js';
import { formats } from '../../src/image/formats.js';
import { Members } from '../../src/plane/members.js';
import { COST_MODELS } from '../../src/throttle/cost.js';
import { Counters } from '../../src/throttle/stats.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { CONTROL_FILES } from '../../src/tree/control-files.js';
import { ControlTree } from '../../src/tree/control-tree.js';
import { type ControlNode, type DirectoryNode, Tree } from '../../src/tree/tree.js';
import { SluiceError } from '../../src/util/errors.js';
import { CALLERS } from './callers.js';
import { type Target, Violation } from './target.js';

const LONGEST = 64 << 10;
/** Ends a part of an input. No argument of a program contains it. */
const END = '\0';

/** Words that settings are made of, apart from their names. */
const VALUES = ['max', 'default', 'auto', '0', '1', '-', '=', '/', ',', '\n', '10M', '4Ki', '1e9'];
const NUMBERS = ['9007199254740993', '1000000000000000', '4294967295', '0x10', '1.5', 'NaN'];

function texts(list: readonly string[]): Buffer[] {
  return list.map((text) => Buffer.from(text));
}

/** Throws what is no refusal. */
function unlessRefusal(error: unknown): void {
  if (!(error instanceof SluiceError)) throw error;
  if (/\n/.test(error.message) && error.message.length > LONGEST * 2) {
    throw new Violation('a message that is longer than its input');
  }
}

/** The directories below one, and it. */
function* directories(from: DirectoryNode): Generator<DirectoryNode> {
  yield from;
  for (const child of from.children.values())
    if (child.kind === 'directory') yield* directories(child);
}

function* controlFiles(from: DirectoryNode): Generator<ControlNode> {
  for (const { children } of directories(from)) {
    for (const child of children.values()) if (child.kind === 'control') yield child;
  }
}

function makeTree(): Tree {
  const throttle = new Throttle(64, 16, new Counters());
  const members: Members & Membership = new Members(throttle, CALLERS);
  members.addImage('disk');
  const tree = new Tree();
  const control = new Control(throttle, members, () => 1e9, {
    images: () => [],
    partitions: () => [],
    callers: () => [],
  });
  control.makeGroup('a');
  const reread = (_request: number, _name: string | null, result: number): number => result;
  const orders = { isOpen: false, take: () => 0 };
  new ControlTree(tree, control, 'pid=1\n', { reread, orders }, () => {});
  return tree;
}

/**
 * Parts of three words: a group, a file, a text. The file `mkdir` or `rmdir` makes or removes a group.
 * After each change every file is read.
 */
function change(tree: Tree, group: string, file: string, text: string | Buffer): void {
  const root = tree.root.children.get('.groups') as DirectoryNode;
  const all = [...directories(root)];
  const directory = all.find(({ name }) => name === group) ?? all[group.length % all.length]!;
  let result = 0;
  if (file === 'mkdir') result = directory.changes!.makeDirectory(String(text));
  else if (file === 'rmdir') result = directory.changes!.removeDirectory(String(text));
  else {
    const node = directory.children.get(file);
    if (node?.kind !== 'control') return;
    result = node.file.write?.(Buffer.from(text), 0) ?? 0;
  }
  if (!Number.isInteger(result) || result < -4095) throw new Violation(`the result ${result}`);
  for (const { file: shown, name } of controlFiles(root)) {
    const content = shown.read();
    if (content !== '' && !content.endsWith('\n'))
      throw new Violation(`${name} ends in no newline`);
  }
}

/** Control files, through the tree that the mount shows. */
export const control: Target = {
  name: 'control',
  about: 'changes through control files, in any order',
  batch: 128,
  each: Number.POSITIVE_INFINITY,
  short: 800,
  longest: LONGEST,
  fixed: false,
  seeds: () =>
    texts([
      `a\0io.max\0rbps=10M iops=1000 iops_size=4K\0a\0io.burst\0bps=400M/10\0`,
      `a\0io.weight\0default 80\0a\0io.min\0bps=1M iops=10\0a\0io.latency\0target=2000\0`,
      `a\0members\0disk\0.groups\0members\0uid:1000\ncgroup:/build\n-pid:7\0`,
      `.groups\0io.depth\0auto\0.groups\0io.cost\0linear rbps=1 wbps=2\0a\0mkdir\0b\0b\0io.max\0max\0`,
      `a\0mkdir\0b\0a\0rmdir\0b\0.groups\0rmdir\0a\0`,
    ]),
  words: async () =>
    texts([
      ...SETTINGS.flatMap(({ key, word }) => [key, `${key}=`, `${word}=`]),
      ...CONTROL_FILES.map(({ name }) => `${END}${name}${END}`),
      ...RULE_KINDS.map((kind) => `${kind}:`),
      ...[...COST_MODELS, ...VALUES, ...NUMBERS, 'mkdir', 'rmdir', END, '\xff'],
    ]),
  prepare: () => (input) => {
    const tree = makeTree();
    // As latin1 the bytes of the text stay what they are.
    const parts = input.toString('latin1').split(END);
    for (let at = 0; at + 2 < parts.length; at += 3) {
      change(tree, parts[at]!, parts[at + 1]!, Buffer.from(parts[at + 2]!, 'latin1'));
    }
  },
};

/** The words of a command line: all that is read of them before anything is done. */
async function readLine(line: readonly string[]): Promise<void> {
  const { command, asked, args } = await parseLine(line);
  if (asked !== null) return;
  switch (command?.name) {
    case 'mount':
      structuredClone(buildMountConfig(args as unknown as MountArguments, '/'));
      break;
    case 'info':
    case 'map':
      parseImageCommand(args);
      break;
    case 'set':
      orderOf(args);
      break;
    default:
  }
}

/** Command lines. */
export const words: Target = {
  name: 'words',
  about: 'words of the command line, with groups, images and all that a mount is told',
  batch: 128,
  each: Number.POSITIVE_INFINITY,
  short: 2500,
  longest: LONGEST,
  fixed: false,
  seeds: () =>
    texts([
      ...COMMANDS.map(({ name, synopsis }) => [name, ...synopsis.split(' ')].join(END)),
      'mount\0a=one.img\0b.img\0/mnt\0--group\0slow:iops=10,bps=1M\0--assign\0a=slow\0--depth=auto',
      'mount\0a.qcow2\0/mnt\0--format\0qcow2,raw\0--snapshot=1\0--mode=0660\0--owner=0:0\0-o\0ro,noatime',
      'mount\0a\0/mnt\0--metadata-cache\x0016M\0--poll-us\x000\0--cache=page\0--no-direct\0--untrusted',
      'set\0/mnt\0gold\0weight=80\0member=uid:1\0min.bps=1M\0latency=2000\0burst.iops=100/3\0--create',
    ]),
  words: async () => {
    const loaded = await Promise.all(COMMANDS.map(({ load }) => load()));
    return texts([
      ...COMMANDS.map(({ name }) => name),
      ...loaded.flatMap(({ declaration }) =>
        Object.keys(declaration.options).flatMap((name) => [
          `${END}--${name}`,
          `${END}--${name}=`,
          `${END}--no-${name}`,
        ]),
      ),
      ...loaded.flatMap(({ declaration }) => declaration.examples.map(([line]) => line)),
      ...SETTINGS.map(({ key }) => `${key}=`),
      ...formats().map(({ name }) => name),
      ...RULE_KINDS.map((kind) => `${kind}:`),
      ...[...VALUES, ...NUMBERS, END, `${END}--${END}`, ':', '__proto__', 'constructor', 'ro,'],
    ]);
  },
  prepare: () => async (input) => {
    try {
      await readLine(input.toString('utf8').split(END));
    } catch (error) {
      unlessRefusal(error);
    }
  },
};
