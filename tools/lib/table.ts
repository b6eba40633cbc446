/** A Markdown table; the first column is left-aligned, the others right. */
export function markdownTable(head: readonly string[], rows: readonly string[][]): string {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const line = (row: readonly string[]): string => {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
    );
    return `| ${cells.join(' | ')} |`;
  };
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(all[0]), line(rule), ...all.slice(1).map(line)].join('\n');
}

/** A number with about three digits: `0.034`, `3.41`, `48.2`, `1026`. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size >= 1 || size === 0 ? 2 : 3);
}

/** Requests per second: `950`, `14.1 K`, `1.18 M`. */
export function formatIops(iops: number): string {
  if (iops >= 999_500) return `${shortNumber(iops / 1e6)} M`;
  if (iops >= 1000) return `${shortNumber(iops / 1e3)} K`;
  return iops.toFixed(0);
}

/** Bytes per second in powers of 1000: `812 MB/s`, `9.01 GB/s`. */
export function formatBytesPerSecond(rate: number): string {
  return rate >= 999.5e6 ? `${shortNumber(rate / 1e9)} GB/s` : `${shortNumber(rate / 1e6)} MB/s`;
}

/** A signed share: `+0.12 %`. */
export function formatPercent(percent: number): string {
  return `${percent >= 0 ? '+' : ''}${percent.toFixed(2)} %`;
}
