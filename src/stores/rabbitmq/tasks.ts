import type { NamedTask } from "../../core/task.ts";
import { delta, preCopy, removeCopy } from "../../rollback-copy/copy.ts";

/** The broker's volume and the copy next to it. */
interface BrokerCopy {
  readonly from: string;
  readonly copy: string;
}

/** Copies the volume while the broker is live. */
export const preCopyBroker: NamedTask<BrokerCopy, null> = {
  name: "rabbitmq.pre-copy",
  run: async ({ from, copy }, { signal }) => {
    await preCopy(from, copy, { signal });
    return null;
  },
};

/** Finishes the copy while the broker is frozen. */
export const copyFrozen: NamedTask<BrokerCopy, null> = {
  name: "rabbitmq.copy-frozen",
  run: async ({ from, copy }, { signal }) => {
    await delta(from, copy, { signal });
    return null;
  },
};

/** Removes the copy in any state. */
export const removeBrokerCopy: NamedTask<{ readonly copy: string }, null> = {
  name: "rabbitmq.remove-copy",
  run: async ({ copy }) => {
    await removeCopy(copy);
    return null;
  },
};
