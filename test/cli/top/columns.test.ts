import test from 'ava';
import { columnsFor, rowLine, titleLine } from '../../../src/cli/top/columns.js';
import { rowsOf } from '../../../src/cli/top/rows.js';
import { lineWidth, UNICODE } from '../../../src/cli/top/spans.js';
import { FIRST_STATE } from '../../../src/cli/top/state.js';
import { testSight } from '../../helpers/top-sight.js';

const NAME = 24;

test('every cell has the width of its column', (t) => {
  const sight = testSight();
  const drawing = { sight, state: FIRST_STATE, glyphs: UNICODE };
  for (const cells of [0, 50, 76, 100, 130, 180]) {
    const columns = columnsFor(cells);
    const width = columns.reduce((sum, column) => sum + column.width + 1, NAME);
    t.is(lineWidth(titleLine(columns, NAME, UNICODE)), width);
    for (const row of rowsOf(sight, FIRST_STATE)) {
      t.is(lineWidth(rowLine(row, true, columns, NAME, drawing)), width, row.name);
    }
  }
});

test('the columns of a width fit it, beside a name', (t) => {
  for (const cells of [50, 76, 100, 130, 180]) {
    const width = columnsFor(cells).reduce((sum, column) => sum + column.width + 1, 0);
    t.true(cells - width >= 10, `${cells - width} cells for a name of ${cells}`);
  }
});
