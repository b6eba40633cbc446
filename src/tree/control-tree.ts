import type { Control } from '../control/control.js';
import { checkGroupName } from '../control/group-name.js';
import type { Group } from '../throttle/throttle.js';
import { ERRNO } from '../util/errno.js';
import { SluiceError } from '../util/errors.js';
import { CONTROL_FILES, type ControlFileRow } from './control-files.js';
import { decodeChange } from './decode-change.js';
import type { DirectoryNode, Tree } from './tree.js';

const READ_ONLY = 0o444;
const READ_WRITE = 0o644;

/** Longest reason that is kept: it may quote what a user wrote, which may be anything. */
const MAX_REASON = 300;

/**
 * `.groups`: a directory for each throttling group with its control files; mkdir makes a group, rmdir
 * removes an empty one. Nothing here waits: it works while every group is saturated.
 *
 * The root group also has `daemon`, which says who serves this mount, `images`, which says what is
 * mounted, and `refused`, which says why the last change that was refused was: an errno cannot carry
 * the sentence.
 */
export class ControlTree {
  readonly #tree: Tree;
  readonly #control: Control;
  #lastRefused = '';

  /**
   * @param about Lines of `daemon`.
   * @param images Lines of `images`.
   */
  constructor(tree: Tree, control: Control, about: string, images: () => string) {
    this.#tree = tree;
    this.#control = control;
    const root = tree.addDirectory(tree.root, '.groups');
    this.#fill(root, control.throttle.root);
    const show = (name: string, read: () => string) =>
      tree.addControl(root, name, { mode: READ_ONLY, read, write: null });
    show('daemon', () => about);
    show('images', images);
    show('refused', () => this.#lastRefused);
  }

  /** Gives a group's directory its files, its children and its mkdir and rmdir. */
  #fill(directory: DirectoryNode, group: Group): void {
    for (const row of CONTROL_FILES) {
      if (!row.rootOnly || group.parent === null) this.#addFile(directory, group, row);
    }
    directory.changes = {
      makeDirectory: (name) => this.#makeGroup(directory, group, name),
      removeDirectory: (name) => this.#removeGroup(directory, group, name),
    };
    for (const child of group.children.values()) {
      this.#fill(this.#tree.addDirectory(directory, child.name), child);
    }
  }

  #addFile(directory: DirectoryNode, group: Group, row: ControlFileRow): void {
    const { prepare } = row;
    const change = prepare && ((bytes: Uint8Array) => this.#write(group, row.name, prepare, bytes));
    this.#tree.addControl(directory, row.name, {
      mode: prepare === null ? READ_ONLY : READ_WRITE,
      read: () => endLine(row.read(this.#control, group)),
      write: change,
    });
  }

  #write(
    group: Group,
    name: string,
    prepare: NonNullable<ControlFileRow['prepare']>,
    bytes: Uint8Array,
  ): number {
    return this.#attempt(childPath(group, name), () => {
      prepare(decodeChange(bytes))(this.#control, group);
      return 0;
    });
  }

  #makeGroup(directory: DirectoryNode, parent: Group, name: string): number {
    const path = childPath(parent, name);
    return this.#attempt(path, () => {
      checkGroupName(name);
      const group = this.#control.throttle.createGroup(path);
      const made = this.#tree.addDirectory(directory, name);
      this.#fill(made, group);
      return made.id;
    });
  }

  #removeGroup(directory: DirectoryNode, parent: Group, name: string): number {
    const node = directory.children.get(name);
    if (node === undefined) return -ERRNO.ENOENT;
    if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
    const path = childPath(parent, name);
    return this.#attempt(path, () => {
      // Rules about processes that have ended go with the reading: they hold no group.
      this.#control.members(parent.children.get(name)!);
      this.#control.throttle.removeGroup(path);
      this.#tree.remove(node);
      return 0;
    });
  }

  /** Makes a change. A refused one is logged, kept for `refused`, and becomes its -errno. */
  #attempt(path: string, change: () => number): number {
    try {
      return change();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      const reason = `${path}: ${printable(error.message)}`;
      this.#lastRefused = `${reason}\n`;
      this.#control.log(`refused (${error.errno}): ${reason}`);
      return -ERRNO[error.errno as keyof typeof ERRNO];
    }
  }
}

/** Path of a file or group below `.groups`. */
function childPath(group: Group, name: string): string {
  return group.path === '' ? name : `${group.path}/${name}`;
}

function endLine(text: string): string {
  return text === '' ? '' : `${text}\n`;
}

/** One line that a terminal can show. */
function printable(text: string): string {
  const line = text.replaceAll(/\p{Cc}/gu, ' ');
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}...` : line;
}
