// Mount tests own real mounts and child processes, so files run as processes, not threads.
export default {
  files: ['build/test/**/*.test.js'],
  require: ['./build/test/helpers/fixed-seed.js'],
  workerThreads: false,
  timeout: '300s',
};
