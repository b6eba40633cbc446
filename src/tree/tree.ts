import { assert } from '../util/assert.js';

/** A text file of the control tree, made anew for each open. */
export interface ControlFile {
  /** Permission bits, `0o444` for one that can only be read. */
  readonly mode: number;
  /** The whole content, ending in a newline. */
  read(): string;
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

/** What the mount shows: directories, disks and control files. Names and structure, no I/O. */
export class Tree {
  readonly root: DirectoryNode;
  /** By id: ids are given out in order, and an array is the fastest table for them. */
  readonly #nodes: (TreeNode | undefined)[] = [];
  #nextId = 1;

  constructor() {
    this.root = this.#add({
      id: this.#nextId++, // 1, the id that FUSE gives the root
      name: '',
      parent: null,
      kind: 'directory',
      children: new Map(),
    });
  }

  /** The node with this id; undefined once it is gone. */
  node(id: number): TreeNode | undefined {
    return this.#nodes[id];
  }

  addDirectory(parent: DirectoryNode, name: string): DirectoryNode {
    return this.#add({ id: this.#nextId++, name, parent, kind: 'directory', children: new Map() });
  }

  addDisk(parent: DirectoryNode, name: string, disk: number): DiskNode {
    return this.#add({ id: this.#nextId++, name, parent, kind: 'disk', disk });
  }

  addControl(parent: DirectoryNode, name: string, file: ControlFile): ControlNode {
    return this.#add({ id: this.#nextId++, name, parent, kind: 'control', file });
  }

  #add<T extends TreeNode>(node: T): T {
    if (node.parent !== null) {
      assert(!node.parent.children.has(node.name), `two entries named ${node.name}`);
      node.parent.children.set(node.name, node);
    }
    this.#nodes[node.id] = node;
    return node;
  }
}
