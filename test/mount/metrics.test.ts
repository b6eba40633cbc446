import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OWN_ADDRESS, OWN_PORTS } from '../helpers/own-address.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child, must, sluice } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

const KIB = 1024;

requires(
  'fuse',
  'root',
  'io_uring',
  'prometheus',
)('Prometheus scrapes a mount', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const [target, listens] = OWN_PORTS.map((port) => `${OWN_ADDRESS}:${port}`) as [string, string];
  const words = ['--group', 'g:wiops=10', '--assign', 'disk=g', '--metrics', target];
  await withMount(t, [image], words, async (mount) => {
    const other = await sluice(['mount', image, folder, '--metrics', target, '--read-only']);
    t.like(other, { code: 1, stderr: `sluice: mount: --metrics ${target}: the port is in use\n` });
    await must('dd', [
      'if=/dev/zero',
      `of=${mount.file()}`,
      'bs=4k',
      'count=2',
      'oflag=direct',
      'conv=notrunc',
    ]);
    const config = {
      global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
      scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets: [target] }] }],
    };
    const path = join(folder, 'prometheus.yml');
    // JSON is YAML.
    writeFileSync(path, JSON.stringify(config));
    const prometheus = new Child('prometheus', [
      `--config.file=${path}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${listens}`,
    ]);
    t.teardown(() => prometheus.process.kill());
    const ask = async (query: string): Promise<string | undefined> => {
      try {
        const url = `http://${listens}/api/v1/query?query=${encodeURIComponent(query)}`;
        const { data } = (await (await fetch(url)).json()) as {
          data: { result: { value: [number, string] }[] };
        };
        return data.result[0]?.value[1];
      } catch {
        // It has just been started.
        return undefined;
      }
    };
    const found: Record<string, string | undefined> = {};
    const has = async (query: string, value: string): Promise<boolean> => {
      found[query] = await ask(query);
      return found[query] === value;
    };
    const expected = [
      ['up{job="sluice"}', '1'],
      ['sluice_group_bytes_total{group="g",op="write"}', String(2 * 4 * KIB)],
      ['sluice_group_limit_requests_per_second{group="g",op="write"}', '10'],
      ['sluice_request_service_seconds_count{group="g",member="disk",op="write"}', '2'],
      ['sluice_request_wait_seconds_bucket{le="+Inf",member="disk"}', '2'],
      ['sluice_group_throttled_seconds_total{group="g"} > bool 0.05', '1'],
      ['sluice_group_pressure_some_seconds_total{group="/"} > bool 0.05', '1'],
      ['count(sluice_image_info{image="disk",format="raw"})', '1'],
    ] as const;
    for (const [query, value] of expected) {
      const end = performance.now() + IN_THE_END_MS;
      while (!(await has(query, value)) && performance.now() < end) await delay(50);
      t.is(found[query], value, query);
    }
    prometheus.process.kill();
    await prometheus.ended;
  });
});
