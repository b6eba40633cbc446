import koffi from 'koffi';

/** Posts the uv_sem_t at an address: wakes a thread that waits for it. Node.js itself exports libuv. */
export const postSemaphore = koffi.load(null).func('uv_sem_post', 'void', ['int64']) as unknown as (
  address: number,
) => void;
