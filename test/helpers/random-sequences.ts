import fc from 'fast-check';

/**
 * fast-check with the same random sequences in every run, so that a failure can be repeated. `FC_SEED=$RANDOM make test` tries
 * others.
 */
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 2026) });

export default fc;
