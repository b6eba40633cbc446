import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';

/** A text file of the control tree, made anew for each open. */
export interface ControlFile {
  /** Permission bits, `0o444` for one that can only be read. */
  readonly mode: number;
  /** The whole content, ending in a newline. */
  read(): string;
  /**
   * Takes the bytes of one write(2): all of it or nothing. Null for a file that can only be read.
   * @param request May be answered later, with the number of bytes; a result below -4095 says so.
   * @returns 0 or -errno.
   */
  readonly write: ((bytes: Uint8Array, request: number) => number) | null;
  /** What the writer of a request that is answered later reads then; missing: the content. */
  answer?(request: number): () => string;
}

/** The actions of mkdir and rmdir in a directory. */
export interface DirectoryChanges {
  /** @returns The new directory's node id, or -errno. */
  makeDirectory(name: string): number;
  /** @returns 0 or -errno. */
  removeDirectory(name: string): number;
}

interface NodeBase {
  /** FUSE node id, never used twice in one mount. */
  id: number;
  readonly name: string;
  readonly parent: DirectoryNode | null;
}

export interface DirectoryNode extends NodeBase {
  readonly kind: 'directory';
  readonly children: Map<string, TreeNode>;
  /** Null where nothing can be made or removed. */
  changes: DirectoryChanges | null;
}

export interface DiskNode extends NodeBase {
  readonly kind: 'disk';
  /** Number in the plane's table of disks. */
  readonly disk: number;
  /** The errno of every request about it, negative, while its image is being detached and after that; else 0. */
  refusal: number;
}

export interface ControlNode extends NodeBase {
  readonly kind: 'control';
  readonly file: ControlFile;
}

export type TreeNode = DirectoryNode | DiskNode | ControlNode;

/** A power of two. */
const RECENT = 64;

/** The node ids that a mount has given out. Plain data. */
export interface NodeIds {
  /** By path; '' is the root. */
  ids: [path: string, id: number][];
  /** The next new one. */
  next: number;
}

/** Directories, disks and control files of the mount. Names and structure, no I/O. */
export class Tree {
  /**
   * By ID. IDs are given out in order and never used again, so that an open file of a group that is gone is
   * never one of another group.
   */
  readonly #nodes = new Map<number, TreeNode>();
  /** The nodes that were asked for last, by the low bits of their IDs: a map takes 20 ns for each request. */
  readonly #recent: (TreeNode | undefined)[] = new Array(RECENT).fill(undefined);
  #nextId = 1;
  /** Grows when a node comes or goes, and when a partition gets another length. */
  changes = 0;
  /** Its ID is 1, as FUSE wants it. */
  readonly root = this.addDirectory(null, '');

  /** The node with this id; undefined once it is gone. */
  node(id: number): TreeNode | undefined {
    const at = id & (RECENT - 1);
    const recent = this.#recent[at];
    if (recent !== undefined && recent.id === id) return recent;
    const node = this.#nodes.get(id);
    this.#recent[at] = node;
    return node;
  }

  /** @param parent Null for the root, which exists already. */
  addDirectory(parent: DirectoryNode | null, name: string): DirectoryNode {
    const id = this.#nextId++;
    return this.#add({ id, name, parent, kind: 'directory', children: new Map(), changes: null });
  }

  addDisk(parent: DirectoryNode, name: string, disk: number): DiskNode {
    const id = this.#nextId++;
    return this.#add({ id, name, parent, kind: 'disk', disk, refusal: 0 });
  }

  addControl(parent: DirectoryNode, name: string, file: ControlFile): ControlNode {
    return this.#add({ id: this.#nextId++, name, parent, kind: 'control', file });
  }

  /** Takes a node, and all below it, out of the tree. Its open files answer ENODEV from then on. */
  remove(node: TreeNode): void {
    if (node.kind === 'directory') for (const child of node.children.values()) this.remove(child);
    // Who has found it before must not use its number, which may be another disk's soon.
    if (node.kind === 'disk') node.refusal = -ERRNO.ESTALE;
    node.parent?.children.delete(node.name);
    this.#nodes.delete(node.id);
    this.changes++;
    this.#recent[node.id & (RECENT - 1)] = undefined;
  }

  get nodeIds(): NodeIds {
    const ids = [...this.#nodes.values()].map((node): [string, number] => [pathOf(node), node.id]);
    return { ids, next: this.#nextId };
  }

  /**
   * Gives nodes the ids that the kernel knows them by, because another process has given those out. Nodes that it
   * had not get new ones. Call it before the first request.
   */
  renumber({ ids, next }: NodeIds): void {
    const known = new Map(ids);
    const nodes = [...this.#nodes.values()];
    this.#nextId = next;
    this.#nodes.clear();
    this.#recent.fill(undefined);
    for (const node of nodes) {
      node.id = known.get(pathOf(node)) ?? this.#nextId++;
      this.#nodes.set(node.id, node);
    }
  }

  #add<T extends TreeNode>(node: T): T {
    if (node.parent !== null) {
      assert(!node.parent.children.has(node.name), `two entries named ${node.name}`);
      node.parent.children.set(node.name, node);
    }
    this.#nodes.set(node.id, node);
    this.changes++;
    return node;
  }
}

function pathOf({ name, parent }: TreeNode): string {
  return parent === null ? '' : `${pathOf(parent)}/${name}`;
}
