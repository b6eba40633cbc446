import fc from 'fast-check';

/**
 * Loaded before every test file. It makes random sequences the same in every run, so that a failure can
 * be repeated. `FC_SEED=$RANDOM make test` tries other sequences.
 */
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 2026) });
