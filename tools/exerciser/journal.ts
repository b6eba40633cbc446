import type { Operation } from './plan.js';

/** The operations so far, for the report of a difference. */
export class Journal {
  private readonly lines: { from: number; to: number; text: string }[] = [];

  /** Notes an operation on the bytes `from` to `to` (not included). */
  add(operation: Operation, label: string, from: number, to: number, note: string): void {
    const range = to > from ? `${hex(from)}..${hex(to - 1)} (${to - from} bytes)` : hex(from);
    const number = String(operation.number).padStart(7);
    const text = `${number} ${operation.kind.padEnd(14)} ${label.padEnd(12)} ${range} ${note}`;
    this.lines.push({ from, to, text: text.trimEnd() });
  }

  /** Lines of all operations that touched the bytes `from` to `to` (not included), in order. */
  touching(from: number, to: number): string[] {
    return this.lines.filter((line) => line.from < to && line.to > from).map((line) => line.text);
  }

  /** The newest lines. */
  last(count: number): string[] {
    return this.lines.slice(-count).map((line) => line.text);
  }
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
