import fc from 'fast-check';

/**
 * Loaded before every test file: random sequences are the same in every run, so that a test that
 * fails fails again. `FC_SEED=$RANDOM make test` looks for new ones.
 */
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 2026) });
