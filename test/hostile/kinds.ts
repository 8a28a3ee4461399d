import { hostileEvents } from "./events.ts";
import { archiveEscapes, forgedManifests } from "./forged.ts";
import { faultyDisks, faultyHosts } from "./hosts.ts";
import { hostileLogs } from "./logs.ts";
import { foreignOwners } from "./owners.ts";
import type { Kind } from "./row.ts";
import { singleFiles } from "./single-files.ts";
import { specialFiles } from "./special-files.ts";
import { badValues } from "./values.ts";

/** All hostile and unlucky inputs. */
export const kinds: readonly Kind[] = [
  badValues,
  archiveEscapes,
  forgedManifests,
  foreignOwners,
  hostileEvents,
  hostileLogs,
  specialFiles,
  singleFiles,
  faultyHosts,
  faultyDisks,
];
