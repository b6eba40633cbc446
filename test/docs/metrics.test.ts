import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { METRIC_NAMES } from '../../src/server/metric-table.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';

const PLACE = 'docs/metrics';
const alerts = readFileSync(join(PLACE, 'alerts.yml'), 'utf8');
const dashboard = JSON.parse(readFileSync(join(PLACE, 'dashboard.json'), 'utf8')) as {
  panels: { title: string; targets: { expr: string }[] }[];
};
const EXPRESSIONS = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

/** The metrics that a text names, without the endings of histograms. */
function namesIn(text: string): string[] {
  const found = text.match(/\b(sluice|process)_[a-z_]+_?[a-z]+/g) ?? [];
  return [...new Set(found.map((name) => name.replace(/(?<=_seconds)_(bucket|sum|count)$/, '')))];
}

test('the dashboard, the alerts and the page use metrics that there are, and the page has all', (t) => {
  const page = readFileSync('docs/metrics.md', 'utf8');
  for (const text of [EXPRESSIONS.join('\n'), alerts]) {
    t.true(namesIn(text).length > 3);
    t.deepEqual(
      namesIn(text).filter((name) => !METRIC_NAMES.includes(name)),
      [],
    );
  }
  t.deepEqual(
    METRIC_NAMES.filter((name) => !page.includes(`\`${name}`)),
    [],
  );
});

requires('promtool')('promtool takes the alerts, and they come when they should', async (t) => {
  await must('promtool', ['check', 'rules', join(PLACE, 'alerts.yml')]);
  await must('promtool', ['test', 'rules', join(PLACE, 'alerts-test.yml')]);
  t.pass();
});

requires('promtool')('promtool takes every expression of the dashboard', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-dashboard-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const rules = EXPRESSIONS.map((expr, index) => {
    const filled = expr
      .replaceAll('$__rate_interval', '5m')
      .replaceAll(/\$(instance|group)/g, '.*');
    return { record: `x${index}`, expr: filled };
  });
  t.true(rules.length > 10);
  const path = join(folder, 'rules.yml');
  // JSON is YAML.
  writeFileSync(path, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  t.regex(
    await must('promtool', ['check', 'rules', path]),
    new RegExp(`${rules.length} rules found`),
  );
});
