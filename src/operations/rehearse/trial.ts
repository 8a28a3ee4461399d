import type { Masker } from "../../core/secrets.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Check } from "../../model/result.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { StackSource } from "../fill/stack-source.ts";
import type { Histories } from "../gate/schema.ts";
import type { WatchVerdict } from "../gate/watch.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host, Workbench } from "../session/host.ts";
import type { Findings } from "./rehearsal-verdict.ts";
import type { Template } from "./template.ts";

/** The parts of the host that a rehearsal uses. */
type RehearsalHost = Pick<Host, "project" | "workbench" | "engine">;

/** What is tried in the clone. */
export interface Trial {
  readonly stack: StackSource;
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly stores: readonly BackedUpStore[];
  /** The ids of the new images, by service. */
  readonly images: Readonly<Record<string, string>>;
  /** The new definition of the stack, if it differs in more than images. */
  readonly model: ComposeModel | undefined;
  readonly operationId: string;
  /** Knows the secrets of the stack and of the restored data. */
  readonly masker: Masker;
  readonly workbench: Workbench;
  /** The restored data that this clone is filled from or fills; undefined if it is not needed again. */
  readonly template?: Template | undefined;
  readonly options: Pick<
    Options,
    "cloneHealth" | "cloneMemory" | "healthTimeoutMs" | "soakMs" | "logAllow" | "logDeny"
  >;
}

/** What the clone showed. */
export interface Tried {
  readonly findings: Findings;
  readonly checks: readonly Check[];
  readonly lastLines: WatchVerdict["lastLines"];
  /** The histories before the upgrade; absent if the control failed. */
  readonly histories?: Histories;
  /** Stopping the old containers and creating the new ones, in seconds; absent if it came to no upgrade. */
  readonly swapSeconds?: number;
  /** From the start of the new containers until all probed servers answered, in seconds; absent if none was probed. */
  readonly answeringSeconds?: number;
  readonly rehearsal: Pick<
    Rehearsal,
    | "control"
    | "upgrade"
    | "rows"
    | "rollBack"
    | "omitted"
    | "schema"
    | "requires"
    | "newLogTemplates"
    | "memoryPeakBytes"
    | "packetsOut"
    | "diskPeakBytes"
    | "processorsFree"
  >;
}

export type TrialDependencies = Dependencies & { readonly host: RehearsalHost };
