import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { fioArguments, parseFio, startFio } from '../../../tools/lib/fio.js';
import { requires } from '../../helpers/requires.js';
import { MIB, patternFile, tempFolder } from '../../helpers/temp.js';

/** Cut from what fio 3.33 printed for 4 jobs, QD 32, one second. */
const OUTPUT = `fio: a warning {of some kind}
{
  "fio version" : "fio-3.33",
  "jobs" : [
    {
      "jobname" : "x",
      "error" : 0,
      "read" : {
        "io_bytes" : 280420352, "bw_bytes" : 280140211, "iops" : 68393.606394,
        "runtime" : 1001, "total_ios" : 68462,
        "clat_ns" : {
          "min" : 333985, "max" : 8609021,
          "percentile" : { "50.000000" : 1286144, "99.000000" : 5144576, "99.900000" : 7077888 }
        }
      },
      "write" : {
        "io_bytes" : 0, "bw_bytes" : 0, "iops" : 0.0, "runtime" : 0, "total_ios" : 0,
        "clat_ns" : { "min" : 0, "max" : 0 }
      }
    }
  ]
}
`;

test('the result is that of the direction asked for, latencies in microseconds', (t) => {
  t.deepEqual(parseFio(OUTPUT, 'read'), {
    iops: 68393.606394,
    bytesPerSecond: 280140211,
    ios: 68462,
    bytes: 280420352,
    runtimeMs: 1001,
    clatP50Us: 1286.144,
    clatP99Us: 5144.576,
    clatP999Us: 7077.888,
    clatMaxUs: 8609.021,
  });
});

test('a direction without a request is an error, not a rate of zero', (t) => {
  t.throws(() => parseFio(OUTPUT, 'write'), { message: 'fio: no request was completed' });
});

test('the errno of a failed job is an error', (t) => {
  const failed = OUTPUT.replace('"error" : 0', '"error" : 5');
  t.throws(() => parseFio(failed, 'read'), { message: 'fio: a request failed with errno 5' });
});

test('output without JSON is an error that shows it', (t) => {
  t.throws(() => parseFio('fio: looks bad\n', 'read'), {
    message: 'fio: no result: fio: looks bad',
  });
});

test('times go to fio in milliseconds and a ramp of zero is left out', (t) => {
  const job = { file: '/f', size: 4096, rw: 'read', blockSize: 512, depth: 2, jobs: 3 } as const;
  const plain = fioArguments({ ...job, seconds: 0.25, rampSeconds: 0 });
  t.true(plain.includes('--runtime=250ms'));
  t.false(plain.some((word) => word.startsWith('--ramp_time')));
  t.true(fioArguments({ ...job, seconds: 1, rampSeconds: 0.5 }).includes('--ramp_time=500ms'));
});

/** Processes that have `word` in their command line. */
function processesWith(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word);
    } catch {
      return false;
    }
  });
}

async function untilProcesses(word: string, count: number): Promise<void> {
  while (processesWith(word).length !== count) await delay(5);
}

requires('fio')('a fio that is stopped leaves no process behind', async (t) => {
  const file = patternFile(join(tempFolder(t), 'file'), MIB);
  const shape = { rw: 'randread', blockSize: 4096, depth: 1, jobs: 2, rampSeconds: 0 } as const;
  const fio = await startFio({ file, size: MIB, ...shape, seconds: 60 }, '/');
  await untilProcesses(file, 3);
  await fio.stop();
  await untilProcesses(file, 0);
  t.pass();
});
