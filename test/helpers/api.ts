import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FigureReader } from '../../src/control/figures.js';
import { newSettings } from '../../src/control/settings.js';
import type { GroupOrder, GroupOutcome } from '../../src/plane/group-orders.js';
import type { ApiMount } from '../../src/server/api-routes.js';
import { ApiServer, boundedServer } from '../../src/server/api-server.js';
import type { ImageOrder } from '../../src/server/image-order.js';
import { ListeningSocket } from '../../src/server/listening-socket.js';
import { Counters } from '../../src/throttle/stats.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { mountConfig } from './mount-config.js';
import { tempFolder } from './temp.js';

const IMAGE = { name: 'web', path: '/srv/web.img', format: 'raw', size: 4096, readOnly: false };
const SHOWN = {
  images: [{ ...IMAGE, passthrough: false, faults: null }],
  partitions: [],
  mount: { depth: 'auto' as const, window: 24, cost: 'linear' as const },
};

/** A mount of the image `web` in the group `gold`, that notes what it is asked for. */
export function fakeMount(own: Partial<ApiMount> = {}) {
  const figures = new FigureReader();
  const throttle = new Throttle(16, 8, new Counters((news) => figures.take(news)));
  throttle.createGroup('gold');
  const gold = throttle.findGroup('gold')!;
  throttle.moveMember(throttle.createMember('web'), gold, 0);
  const settings = { ...newSettings(), weight: 80 };
  figures.take({ kind: 'settings', group: gold.id, settings });
  const orders: (GroupOrder | ImageOrder)[] = [];
  const notes: string[] = [];
  const mount: ApiMount = {
    ...{ mountpoint: '/mnt/s', transport: 'uring', figures, isServing: () => true },
    isStarting: () => false,
    callers: () => [],
    config: mountConfig({}),
    images: {
      asked: [],
      obey: async (order, warn) => {
        orders.push(order);
        warn('somebody reads it');
        const image = 'image' in order ? order.image.name : 'name' in order ? order.name : null;
        return SHOWN.images.find(({ name }) => name === image) ?? null;
      },
    },
    order: async (order): Promise<GroupOutcome> => {
      if (order.kind === 'show' || order.kind === 'show-mount') {
        return { error: null, shown: SHOWN, gone: [] };
      }
      orders.push(order);
      const gone = order.kind === 'remove' ? [{ parent: 7, name: order.group }] : [];
      return { error: null, shown: null, gone };
    },
    keeperState: () => 'yes',
    restart: async () => ({ pid: 4711, stallMs: 40 }),
    forget: async (gone) => {
      for (const { parent, name } of gone) notes.push(`forget ${name} in ${parent}`);
    },
    ...own,
  };
  return { mount, throttle, orders, notes };
}

/** A server for a mount, with the path of its socket. */
export async function serveApi(
  t: ExecutionContext,
  mount: ApiMount | null,
  folder = join(tempFolder(t), 'run'),
  connectionsMax?: number,
): Promise<string> {
  const path = join(folder, '0-7.sock');
  const socket = await ListeningSocket.listen(boundedServer(), path);
  const server = new ApiServer(socket, connectionsMax);
  t.teardown(() => server.close());
  if (mount !== null) server.serve(mount);
  return path;
}
