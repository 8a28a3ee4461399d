import type { NamedTask } from "../../core/task.ts";
import { delta, preCopy, removeCopy } from "../../rollback-copy/copy.ts";

/** The broker's volume and the copy beside it. */
interface BrokerCopy {
  readonly from: string;
  readonly copy: string;
}

/** Copies the volume while the broker serves. */
export const preCopyBroker: NamedTask<BrokerCopy, null> = {
  name: "rabbitmq.pre-copy",
  run: async ({ from, copy }, { signal }) => {
    await preCopy(from, copy, { signal });
    return null;
  },
};

/** Makes the copy exact; the broker is at rest meanwhile. */
export const copyFrozen: NamedTask<BrokerCopy, null> = {
  name: "rabbitmq.copy-frozen",
  run: async ({ from, copy }, { signal }) => {
    await delta(from, copy, { signal });
    return null;
  },
};

/** Removes the copy, whatever state it is in. */
export const removeBrokerCopy: NamedTask<{ readonly copy: string }, null> = {
  name: "rabbitmq.remove-copy",
  run: async ({ copy }) => {
    await removeCopy(copy);
    return null;
  },
};
