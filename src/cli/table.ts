export interface Column {
  title: string;
  align: 'left' | 'right';
  /** The most characters by which other cells are aligned. A longer cell moves its own row only. */
  most?: number;
}

/** A table as text: a line of titles, then the rows, with two spaces between columns. */
export function formatTable(columns: readonly Column[], rows: readonly string[][]): string {
  const widths = columns.map(({ title, most = Infinity }, index) =>
    rows.reduce((width, row) => {
      return Math.max(width, Math.min(most, (row[index] ?? '').length));
    }, title.length),
  );
  const layOut = (cells: readonly string[]): string => {
    const padded = columns.map(({ align }, index) => {
      const cell = cells[index] ?? '';
      const width = widths[index] ?? 0;
      return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
    });
    return `${padded.join('  ').trimEnd()}\n`;
  };
  return layOut(columns.map((column) => column.title)) + rows.map(layOut).join('');
}
