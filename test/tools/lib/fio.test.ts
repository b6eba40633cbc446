import test from 'ava';
import { fioArguments, parseFio } from '../../../tools/lib/fio.js';

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
          "percentile" : { "50.000000" : 1286144, "99.000000" : 5144576 }
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
