import type { NamedTask } from "../../core/task.ts";
import { delta, estimateBytes, preCopy, removeCopy } from "../../rollback-copy/copy.ts";

/** A directory or a file of a store, and a copy of it that is completed while its writers are frozen. */
interface FrozenCopy {
  readonly from: string;
  readonly copy: string;
  /** Paths inside `from` that are not copied, such as those of other stores. Absent: none. */
  readonly skip?: readonly string[];
}

/** Copies while the writers run. These tasks keep the names that they had when only a broker was frozen. */
export const preCopyLive: NamedTask<FrozenCopy, null> = {
  name: "rabbitmq.pre-copy",
  run: async ({ from, copy, skip }, { signal }) => {
    await preCopy(from, copy, { signal, skip });
    return null;
  },
};

/** Finishes the copy while the writers are frozen. */
export const copyFrozen: NamedTask<FrozenCopy, null> = {
  name: "rabbitmq.copy-frozen",
  run: async ({ from, copy, skip }, { signal }) => {
    await delta(from, copy, { signal, skip });
    return null;
  },
};

/** The bytes that the copy takes on a file system without reflinks. */
export const estimateFrozen: NamedTask<Omit<FrozenCopy, "copy">, number> = {
  name: "tree.estimate-copy",
  run: async ({ from, skip }, { signal }) => (await estimateBytes(from, { signal, skip })).bytes,
};

/** Removes the copy in any state. */
export const removeFrozenCopy: NamedTask<{ readonly copy: string }, null> = {
  name: "rabbitmq.remove-copy",
  run: async ({ copy }) => {
    await removeCopy(copy);
    return null;
  },
};
