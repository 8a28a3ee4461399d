import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel } from "../../model/stack.ts";

/** The keys of commands that only Compose runs around a start or a stop. */
const hooks = ["pre_start", "post_start", "pre_stop"] as const;

/**
 * Refuses a stack that Compose does more for than to start and stop its containers: this tool starts them itself, so
 * that a rollback works from any state, and would leave the rest out.
 *
 * @throws RefusedError that names the service and the key.
 */
export function refuseOwnStarts({ services }: Pick<ComposeModel, "services">): void {
  for (const [name, service] of Object.entries(services)) {
    const hook = hooks.find((key) => Array.isArray(service[key]) && service[key].length > 0);
    if (hook !== undefined) {
      throw new RefusedError(`service ${name} has ${hook}, which only Compose itself runs`, {
        class: "hooks",
        hint: "Move those commands into the image or into a one-shot service that others wait for; backups of the serving stack work as they are.",
      });
    }
    if (service.provider !== undefined && service.provider !== null) {
      throw new RefusedError(`service ${name} has a provider, which Compose would start again`, {
        class: "provider",
        hint: "Run what it provides outside of this stack; backups of the serving stack work as they are.",
      });
    }
  }
}
