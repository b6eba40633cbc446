import { assert } from '../util/assert.js';

/** A text file of the control tree, made anew for each open. */
export interface ControlFile {
  /** Permission bits, `0o444` for one that can only be read. */
  readonly mode: number;
  /** The whole content, ending in a newline. */
  read(): string;
  /**
   * Takes the bytes of one write(2): all of it or nothing. Null for a file that can only be read.
   * @returns 0 or -errno.
   */
  readonly write: ((bytes: Uint8Array) => number) | null;
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
  readonly id: number;
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
  /** Index in the plane's table of disks. */
  readonly disk: number;
}

export interface ControlNode extends NodeBase {
  readonly kind: 'control';
  readonly file: ControlFile;
}

export type TreeNode = DirectoryNode | DiskNode | ControlNode;

/** Nodes in a row that come and go together: about a hundred groups. */
const CHUNK = 1024;

/**
 * Nodes by id. Ids are given out in order and never used again, so that an open file of a group that
 * is gone is never one of another group; a chunk of the table goes with its last node.
 */
class NodeTable {
  readonly #chunks: ({ nodes: (TreeNode | undefined)[]; count: number } | undefined)[] = [];

  find(id: number): TreeNode | undefined {
    return this.#chunks[Math.floor(id / CHUNK)]?.nodes[id % CHUNK];
  }

  add(node: TreeNode): void {
    const at = Math.floor(node.id / CHUNK);
    this.#chunks[at] ??= { nodes: new Array(CHUNK).fill(undefined), count: 0 };
    this.#chunks[at].nodes[node.id % CHUNK] = node;
    this.#chunks[at].count++;
  }

  remove(id: number): void {
    const at = Math.floor(id / CHUNK);
    const chunk = this.#chunks[at]!;
    chunk.nodes[id % CHUNK] = undefined;
    if (--chunk.count === 0) this.#chunks[at] = undefined;
  }
}

/** Directories, disks and control files of the mount. Names and structure, no I/O. */
export class Tree {
  readonly root: DirectoryNode;
  readonly #nodes = new NodeTable();
  #nextId = 1;

  constructor() {
    this.root = this.#add({
      id: this.#nextId++, // 1, the id that FUSE gives the root
      name: '',
      parent: null,
      kind: 'directory',
      children: new Map(),
      changes: null,
    });
  }

  /** The node with this id; undefined once it is gone. */
  node(id: number): TreeNode | undefined {
    return this.#nodes.find(id);
  }

  addDirectory(parent: DirectoryNode, name: string): DirectoryNode {
    const id = this.#nextId++;
    return this.#add({ id, name, parent, kind: 'directory', children: new Map(), changes: null });
  }

  addDisk(parent: DirectoryNode, name: string, disk: number): DiskNode {
    return this.#add({ id: this.#nextId++, name, parent, kind: 'disk', disk });
  }

  addControl(parent: DirectoryNode, name: string, file: ControlFile): ControlNode {
    return this.#add({ id: this.#nextId++, name, parent, kind: 'control', file });
  }

  /** Takes a node, and all below it, out of the tree. Its open files answer ENODEV from then on. */
  remove(node: TreeNode): void {
    if (node.kind === 'directory') for (const child of node.children.values()) this.remove(child);
    node.parent?.children.delete(node.name);
    this.#nodes.remove(node.id);
  }

  #add<T extends TreeNode>(node: T): T {
    if (node.parent !== null) {
      assert(!node.parent.children.has(node.name), `two entries named ${node.name}`);
      node.parent.children.set(node.name, node);
    }
    this.#nodes.add(node);
    return node;
  }
}
