import { archiveEscapes } from "./forged.ts";
import { faultyDisks, faultyHosts } from "./hosts.ts";
import { hostileLogs } from "./logs.ts";
import type { Kind } from "./row.ts";
import { specialFiles } from "./special-files.ts";
import { badValues } from "./values.ts";

/** All hostile and unlucky inputs. */
export const kinds: readonly Kind[] = [
  badValues,
  archiveEscapes,
  hostileLogs,
  specialFiles,
  faultyHosts,
  faultyDisks,
];
