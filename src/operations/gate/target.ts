import type { ContainerState } from "../../model/stack.ts";
import type { HealthAnswer } from "../../stack/health.ts";
import type { StartActivity } from "./database-activity.ts";
import type { SchemaVerdict } from "./schema.ts";

/** The state of a watched container at one moment, as the engine reports it. */
export interface TargetContainer
  extends Pick<
    ContainerState,
    "service" | "name" | "id" | "imageId" | "health" | "exitCode" | "restartCount" | "startedAt"
  > {
  /** `gone`: the expected container does not exist; its id is empty then. */
  readonly state: ContainerState["state"] | "gone";
  /** Whether it was started for the gate to judge: its log and each restart of it count. */
  readonly isNew: boolean;
  /**
   * Whether it may end by itself. `never`: a server. `must`: a job that others wait for, good once it has ended with
   * exit code 0. `may`: it is unknown whether it is a server or a job.
   */
  readonly ends: "never" | "may" | "must";
}

/**
 * A started stack that the gate judges: the live stack or a clone. The gate calls these methods repeatedly, so each
 * call has to return the current state. None of them changes the stack.
 */
export interface GateTarget {
  /**
   * Every container that has to be good, including missing ones. Names are the same in every call.
   *
   * @throws when the engine does not answer.
   */
  containers(): Promise<readonly TargetContainer[]>;
  /**
   * Probes the server of a running container. Does not throw for a server or network failure: no answer counts as an
   * unhealthy answer.
   *
   * @returns undefined for a container that is judged by its state in the engine alone.
   */
  probe(container: TargetContainer): Promise<HealthAnswer | undefined>;
  /**
   * The log of a new container since its creation, with both streams in order.
   *
   * @returns undefined if the container is gone or logs are not judged.
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
   * @param announced - the migrations that the logs announced
   * @returns undefined if there is no history to compare with.
   */
  schema(announced: readonly string[]): Promise<SchemaVerdict | undefined>;
  /**
   * Whether the databases, or the services that migrate them, are at work: such a start gets more time. Never throws.
   * Absent if work does not extend the time limit.
   */
  activity?(): Promise<StartActivity>;
}
