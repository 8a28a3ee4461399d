import type { ContainerState } from "../../model/stack.ts";
import type { HealthAnswer } from "../../stack/health.ts";
import type { StartActivity } from "./database-activity.ts";
import type { SchemaVerdict } from "./schema.ts";

/** A container that the gate watches, as the engine shows it at one moment. */
export interface TargetContainer
  extends Pick<
    ContainerState,
    "service" | "name" | "id" | "imageId" | "health" | "exitCode" | "restartCount" | "startedAt"
  > {
  /** `gone`: there is to be such a container, and there is none; its id is empty then. */
  readonly state: ContainerState["state"] | "gone";
  /** It was started to be judged: its log counts, and no restart of it is forgiven. */
  readonly isNew: boolean;
  /**
   * Whether it may end by itself: a server never; a job that others wait for must, and is good once it has ended with
   * exit code 0; of one that `may`, nothing tells which of the two it is.
   */
  readonly ends: "never" | "may" | "must";
}

/**
 * A started stack that the gate judges: the live one, or a clone of it. The gate looks again and again, so that each
 * call has to tell what is true now. Nothing here changes the stack.
 */
export interface GateTarget {
  /**
   * Every container that has to be good, whether it is there or not, by the same `name` each time.
   *
   * @throws when the engine does not answer.
   */
  containers(): Promise<readonly TargetContainer[]>;
  /**
   * Asks a running container's server whether it serves. Never throws for what the server or its network does: no answer
   * is an answer that is not healthy.
   *
   * @returns undefined for a container of which the engine's own state has to do.
   */
  probe(container: TargetContainer): Promise<HealthAnswer | undefined>;
  /**
   * The log of a new container since it was created, both streams in their order.
   *
   * @returns undefined when the container is gone, or when logs are not to be judged.
   */
  log(container: Pick<TargetContainer, "id" | "name">): Promise<string | undefined>;
  /**
   * The logs of other new containers, by name: their migrations give this target time. They are not judged.
   */
  otherLogs?(): Promise<ReadonlyMap<string, string>>;
  /**
   * Whether the databases hold what they should. Asked only while everything else is good; a verdict with `pending`
   * migrations is asked for again, within the health timeout.
   *
   * @param announced - the migrations that the logs said are being applied
   * @returns undefined where there is no history to compare with.
   */
  schema(announced: readonly string[]): Promise<SchemaVerdict | undefined>;
  /**
   * Whether the databases, or who migrates them, are at work: such a start has more time. Never throws. Absent where a
   * start is not given more time for it.
   */
  activity?(): Promise<StartActivity>;
}
