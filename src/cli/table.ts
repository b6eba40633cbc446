/** A column of a table whose rows are of a type. */
export interface Column<Row> {
  title: string;
  cell: (row: Row) => string | number;
  /** Aligned to the left, as texts are; numbers are aligned to the right. */
  isText?: true;
  /** The most characters by which other cells are aligned. A longer cell moves its own row only. */
  most?: number;
}

/** A table as text: a line of titles, then the rows, with two spaces between columns. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const titles = columns.map(({ title }) => title);
  const lines = [titles, ...rows.map((row) => columns.map(({ cell }) => String(cell(row))))];
  const widths = columns.map(({ title, most = Infinity }, index) =>
    lines.reduce(
      (width, line) => Math.max(width, Math.min(most, line[index]!.length)),
      title.length,
    ),
  );
  const layOut = (cells: readonly string[]): string => {
    const padded = cells.map((cell, index) => {
      const width = widths[index]!;
      return columns[index]!.isText ? cell.padEnd(width) : cell.padStart(width);
    });
    return `${padded.join('  ').trimEnd()}\n`;
  };
  return lines.map(layOut).join('');
}
