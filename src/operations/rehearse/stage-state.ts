import type { Histories } from "../gate/schema.ts";
import type { Contents } from "./clone-contents.ts";
import type { CloneDatabases } from "./clone-databases.ts";
import type { DataCopies } from "./data-copies.ts";
import type { Findings } from "./rehearsal-verdict.ts";
import type { Baseline } from "./template.ts";
import type { Tried } from "./trial.ts";

/** What the phases after the restore found. */
export type Played = Omit<Tried, "findings"> & { readonly findings: Omit<Findings, "restored"> };

/** What the clone holds at one moment. */
export interface State {
  readonly contents: Contents;
  /** Of the databases that the backup has. */
  readonly histories: Histories;
  /** Of these and of new databases. */
  readonly all: Histories;
  /** How long the services that are no stores took to stop. */
  readonly stopSeconds: number;
  readonly shapes: Awaited<ReturnType<CloneDatabases["shapes"]>>;
}

/** What the upgrade begins on. */
export interface Begun {
  readonly before: State;
  readonly copies: DataCopies;
  readonly baseline: Baseline;
}
