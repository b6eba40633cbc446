/** Handles of disks, which the plane gives out, are below: so the two are told apart, whatever node they came with. */
const FIRST = 2 ** 52;

/** Open control files, for another process. Plain data. */
export interface OpenControls {
  next: number;
  contents: [handle: number, content: Uint8Array][];
}

/**
 * Open control files. Each open keeps the content of that moment, so that a reader of several parts sees
 * one state.
 */
export class ControlHandles {
  readonly #contents = new Map<number, Uint8Array | (() => string)>();
  #next = FIRST;
  #changes = 0;

  /** @returns The handle to give to the kernel, 2^52 to 2^53. */
  open(content: string): number {
    const handle = this.#next++;
    this.renew(handle, content);
    return handle;
  }

  /** Replaces the content that a handle reads: its holder has written to the file. A function is asked when it reads. */
  renew(handle: number, content: string | (() => string)): void {
    const bytes = typeof content === 'string' ? encode(content) : content;
    this.#contents.set(handle, bytes);
    this.#changes++;
  }

  /** Copies up to `length` bytes from `offset` to `target`; returns how many. */
  read(handle: number, offset: number, length: number, target: Uint8Array, at: number): number {
    let content = this.#contents.get(handle);
    if (typeof content === 'function') content = encode(content());
    if (content === undefined || offset >= content.length) return 0;
    const part = content.subarray(offset, Math.min(offset + length, content.length));
    target.set(part, at);
    return part.length;
  }

  /** Opens, closes and changes of contents. It only grows. */
  get changes(): number {
    return this.#changes;
  }

  carryOut(): OpenControls {
    const contents = [...this.#contents].map(([handle, content]): [number, Uint8Array] => {
      return [handle, typeof content === 'function' ? encode(content()) : content];
    });
    return { next: this.#next, contents };
  }

  carryIn({ next, contents }: OpenControls): void {
    this.#next = next;
    for (const [handle, content] of contents) this.#contents.set(handle, content);
  }

  close(handle: number): void {
    this.#contents.delete(handle);
    this.#changes++;
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
