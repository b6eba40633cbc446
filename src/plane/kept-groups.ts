import { FigureReader, type News } from '../control/figures.js';
import { groupsNow } from '../control/groups-now.js';
import type { GroupsConfig } from '../control/set-up-groups.js';
import type { Stateful } from './carry-over.js';

/** The groups as they are, for a daemon that goes on after this one has died. */
export class KeptGroups {
  readonly #reader = new FigureReader();
  #edition = -1;
  #cost = '';
  #last: GroupsConfig = { depth: 'auto', groups: [], assignments: [] };

  /** Takes in the news that figures are read by. */
  take(news: News): void {
    this.#reader.take(news);
  }

  /** They are others than `renewed` has found last. */
  areNew({ throttle: { depthMode, costModel } }: Pick<Stateful, 'throttle'>): boolean {
    const isSame = depthMode === this.#last.depth && costModel === this.#cost;
    return !isSame || this.#reader.edition !== this.#edition;
  }

  renewed({ throttle, images }: Pick<Stateful, 'throttle' | 'images'>): GroupsConfig {
    if (!this.areNew({ throttle })) return this.#last;
    const { depthMode: depth, costModel: cost } = throttle;
    const names = new Set(images.wholes.map(({ image }) => image.name));
    this.#edition = this.#reader.edition;
    this.#cost = cost;
    this.#last = groupsNow(this.#reader, { depth, cost }, names);
    return this.#last;
  }
}
