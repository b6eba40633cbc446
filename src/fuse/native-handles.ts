/**
 * Open files of libfuse. libfuse passes a number with each read and write; fuse-native limits it to 31
 * bits. The number stands for a node and a handle of `Files` or of the plane.
 */
export class NativeHandles {
  readonly #nodes = new Map<number, number>();
  readonly #handles = new Map<number, number>();
  #next = 1;

  /** @returns The number for libfuse, from 1: to fuse-native 0 means none. */
  open(node: number, handle: number): number {
    const number = this.#next;
    this.#next = number === 0x7fffffff ? 1 : number + 1;
    if (this.#nodes.has(number)) return this.open(node, handle);
    this.#nodes.set(number, node);
    this.#handles.set(number, handle);
    return number;
  }

  node(number: number): number {
    return this.#nodes.get(number) ?? 0;
  }

  handle(number: number): number {
    return this.#handles.get(number) ?? 0;
  }

  close(number: number): void {
    this.#nodes.delete(number);
    this.#handles.delete(number);
  }
}
