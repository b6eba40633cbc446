/**
 * Open control files. Each open keeps the content of that moment, so that a reader of several parts sees
 * one state.
 */
export class ControlHandles {
  readonly #contents = new Map<number, Uint8Array>();
  #next = 1;

  /** @returns The handle to give to the kernel, 1 to 2^53. */
  open(content: string): number {
    const handle = this.#next++;
    this.renew(handle, content);
    return handle;
  }

  /** Replaces the content that a handle reads: its holder has written to the file. */
  renew(handle: number, content: string): void {
    this.#contents.set(handle, new TextEncoder().encode(content));
  }

  /** Copies up to `length` bytes from `offset` to `target`; returns how many. */
  read(handle: number, offset: number, length: number, target: Uint8Array, at: number): number {
    const content = this.#contents.get(handle);
    if (content === undefined || offset >= content.length) return 0;
    const part = content.subarray(offset, Math.min(offset + length, content.length));
    target.set(part, at);
    return part.length;
  }

  close(handle: number): void {
    this.#contents.delete(handle);
  }
}
