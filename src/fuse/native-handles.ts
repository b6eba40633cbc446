/**
 * Open files of libfuse. libfuse passes a number with each read and write; fuse-native limits it to 31
 * bits. The number stands for a node and a handle of `Files` or of the plane.
 */
export class NativeHandles {
  readonly #open = new Map<number, { node: number; handle: number }>();
  #next = 1;

  /** @returns The number for libfuse, from 1: to fuse-native 0 means none. */
  open(node: number, handle: number): number {
    const number = this.#next;
    this.#next = number === 0x7fffffff ? 1 : number + 1;
    if (this.#open.has(number)) return this.open(node, handle);
    this.#open.set(number, { node, handle });
    return number;
  }

  node(number: number): number {
    return this.#open.get(number)?.node ?? 0;
  }

  handle(number: number): number {
    return this.#open.get(number)?.handle ?? 0;
  }

  close(number: number): void {
    this.#open.delete(number);
  }
}
