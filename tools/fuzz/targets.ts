import { images } from './image-target.js';
import { servers } from './nbd-target.js';
import { reads } from './read-target.js';
import { requests } from './request-target.js';
import { tables } from './table-target.js';
import type { Target } from './target.js';
import { control, words } from './text-targets.js';

/** All that takes bytes from outside. */
export const TARGETS: readonly Target[] = [
  images,
  reads,
  requests,
  control,
  words,
  tables,
  servers,
];
