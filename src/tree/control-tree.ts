import type { Control } from '../control/control.js';
import { unescapeName } from '../control/names.js';
import { parseFile } from '../control/text.js';
import { ERRNO } from '../util/errno.js';
import { refuse, SluiceError } from '../util/errors.js';
import { CALLERS_FILE, formatCallers } from './caller-report.js';
import { CONTROL_FILES, type ControlFileRow, decodeChange } from './control-files.js';
import { formatImages, formatPartitions } from './reports.js';
import type { DirectoryNode, Tree } from './tree.js';

const READ_ONLY = 0o444;
const READ_WRITE = 0o644;

/** Characters of a reason that are kept: it may quote a long text of the user. */
const MAX_REASON = 300;

/**
 * Reads partition tables again, and answers the request then. Returns what `ControlFile.write` does.
 * Throws SluiceError for an image that is not there.
 * @param name Null: of all images.
 * @param result Of the request.
 */
export type Reread = (request: number, name: string | null, result: number) => number;

/** The answer to an order, as `Orders` of the plane has it. */
interface Answer {
  text: string;
  errno: string | null;
  reason: string;
}

/** What the control plane does about images. */
export interface Orders {
  readonly isOpen: boolean;
  /** Takes an order; returns what `ControlFile.write` does. `answered` makes the result of the request of its answer. */
  take(request: number, text: string, answered: (answer: Answer) => number): number;
}

/** An entry of a directory that is gone. */
export interface GoneEntry {
  /** Node of the directory. */
  parent: number;
  name: string;
}

/**
 * The directory `.groups`: a directory for each throttling group, with its control files. mkdir makes
 * a group, rmdir removes an empty one. Nothing here waits: it works while every group is saturated.
 *
 * The root group also has `daemon` about the process that serves this mount, `images` about its
 * images, `partitions` about their partitions, and `refused` with the reason of the last refused change: an
 * errno carries no sentence.
 */
export class ControlTree {
  readonly #tree: Tree;
  readonly #control: Control;
  readonly #log: (text: string) => void;
  /** `.groups` itself. */
  readonly #root: DirectoryNode;
  #lastRefused = '';

  /**
   * @param about Lines of `daemon`.
   * @param actions `reread` reads partition tables again: of the image of that name, or of all.
   * @param log Called with a line for each change that is refused.
   */
  constructor(
    tree: Tree,
    control: Control,
    about: string,
    { reread, orders }: { reread: Reread; orders: Orders },
    log: (text: string) => void,
  ) {
    this.#tree = tree;
    this.#control = control;
    this.#log = log;
    const root = tree.addDirectory(tree.root, '.groups');
    this.#root = root;
    this.#fill(root, '');
    const show = (name: string, read: () => string) =>
      tree.addControl(root, name, { mode: READ_ONLY, read, write: null });
    show('daemon', () => about);
    show(CALLERS_FILE, () => formatCallers(control.callers()));
    this.#addImages(root, orders);
    tree.addControl(root, 'partitions', {
      mode: READ_WRITE,
      read: () => formatPartitions(control.partitions()),
      write: (bytes, request) =>
        this.#attempt('partitions', () => {
          const name = unescapeName(decodeChange(bytes).trim());
          return reread(request, name === '' ? null : name, bytes.length);
        }),
    });
    tree.addControl(root, 'refused', {
      mode: READ_WRITE,
      read: () => this.#lastRefused,
      write: () => this.#forget(),
    });
  }

  /**
   * `images`: what is written is an order about images, and what its writer reads then is the answer. The
   * text of both is the business of the control plane.
   */
  #addImages(root: DirectoryNode, orders: Orders): void {
    const answers = new Map<number, { text: string }>();
    const name = 'images';
    this.#tree.addControl(root, name, {
      mode: READ_WRITE,
      read: () => formatImages(this.#control.images()),
      write: (bytes, request) =>
        this.#attempt(name, () => {
          if (!orders.isOpen) throw refuse('images cannot come and go here', 'EOPNOTSUPP');
          const place = { text: '' };
          answers.set(request, place);
          return orders.take(request, decodeChange(bytes), ({ text, errno, reason }) => {
            place.text = text;
            return errno === null ? bytes.length : this.#refused(name, errno, reason);
          });
        }),
      answer: (request) => {
        const place = answers.get(request)!;
        answers.delete(request);
        return () => place.text;
      },
    });
  }

  /** Gives a group's directory its files, its children and its mkdir and rmdir. */
  #fill(directory: DirectoryNode, group: string): void {
    for (const row of CONTROL_FILES) {
      const isHere = !row.sharedOnly || this.#control.sharing(group) !== null;
      if ((!row.rootOnly || group === '') && isHere) this.#addFile(directory, group, row);
    }
    directory.changes = {
      makeDirectory: (name) => {
        const path = childPath(group, name);
        return this.#attempt(path, () => this.makeGroup(path));
      },
      removeDirectory: (name) => this.#removeDirectory(directory, childPath(group, name)),
    };
    for (const child of this.#control.groupsBelow(group)) {
      this.#fill(this.#tree.addDirectory(directory, nameOf(child)), child);
    }
  }

  #addFile(directory: DirectoryNode, group: string, row: ControlFileRow): void {
    const { name, read, isWritable } = row;
    const change = (bytes: Uint8Array): number => {
      this.#control.apply(group, parseFile(name, decodeChange(bytes)));
      return 0;
    };
    const path = childPath(group, name);
    this.#tree.addControl(directory, name, {
      mode: isWritable ? READ_WRITE : READ_ONLY,
      read: () => endLine(read(this.#control, group)),
      write: isWritable ? (bytes) => this.#attempt(path, () => change(bytes)) : null,
    });
  }

  /** Makes a group, with its directory. Returns its node. Throws what `Control.makeGroup` does. */
  makeGroup(path: string): number {
    this.#control.makeGroup(path);
    const made = this.#tree.addDirectory(this.#directory(parentOf(path)), nameOf(path));
    this.#fill(made, path);
    return made.id;
  }

  /** Removes a group, with its directory. Throws what `Control.removeGroup` does. */
  removeGroup(path: string): GoneEntry {
    this.#control.removeGroup(path);
    const [parent, name] = [this.#directory(parentOf(path)), nameOf(path)];
    this.#tree.remove(this.#directory(path));
    return { parent: parent.id, name };
  }

  /** The directory of a group that is there. */
  #directory(path: string): DirectoryNode {
    const names = path === '' ? [] : path.split('/');
    const find = (node: DirectoryNode, name: string) => node.children.get(name) as DirectoryNode;
    return names.reduce(find, this.#root);
  }

  #removeDirectory(directory: DirectoryNode, path: string): number {
    const node = directory.children.get(nameOf(path));
    if (node === undefined) return -ERRNO.ENOENT;
    if (node.kind !== 'directory') return -ERRNO.ENOTDIR;
    return this.#attempt(path, () => {
      this.removeGroup(path);
      return 0;
    });
  }

  /**
   * Empties `refused`. The kernel answers some errors itself, for instance EEXIST: a reader who has
   * emptied the file before does not take an older reason for that of such an error.
   */
  #forget(): number {
    this.#lastRefused = '';
    return 0;
  }

  /** Makes a change. A refused one is logged, kept for `refused`, and becomes its -errno. */
  #attempt(path: string, change: () => number): number {
    try {
      return change();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      return this.#refused(path, error.errno, error.message);
    }
  }

  #refused(path: string, errno: string, message: string): number {
    const reason = `${path}: ${printable(message)}`;
    this.#lastRefused = `${reason}\n`;
    this.#log(`refused (${errno}): ${reason}`);
    return -(ERRNO[errno as keyof typeof ERRNO] ?? ERRNO.EINVAL);
  }
}

/** Path of a file or group below `.groups`. */
function childPath(group: string, name: string): string {
  return group === '' ? name : `${group}/${name}`;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function endLine(text: string): string {
  return text === '' ? '' : `${text}\n`;
}

/** One line that a terminal can show. */
function printable(text: string): string {
  const line = text.replaceAll(/\p{Cc}/gu, ' ');
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}...` : line;
}
