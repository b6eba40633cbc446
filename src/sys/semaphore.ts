import koffi from 'koffi';

/**
 * Posts a uv_sem_t by its address: wakes a thread that waits for it. libuv is part of the program that
 * runs us.
 */
export const postSemaphore = koffi.load(null).func('uv_sem_post', 'void', ['int64']) as unknown as (
  address: number,
) => void;
