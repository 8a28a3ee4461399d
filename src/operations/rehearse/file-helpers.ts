import type { TaskMount } from "../../core/task.ts";
import type { Workbench } from "../session/host.ts";

type Tasks = Workbench["tasks"];

/**
 * The same runner, whose helper containers stay for the next task on files. Tasks in the network of a container get a helper
 * of their own each: the containers of a clone are stopped and recreated meanwhile.
 *
 * @param mounts - what most of the tasks need
 */
export function keepForFiles(tasks: Tasks, mounts: readonly TaskMount[]): Tasks & AsyncDisposable {
  const kept = tasks.keep(mounts);
  return {
    run: (task, params, place, signal) =>
      (place.networkOf === undefined ? kept : tasks).run(task, params, place, signal),
    keep: (more) => tasks.keep(more),
    open: (responder, place, signal) => tasks.open(responder, place, signal),
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}
