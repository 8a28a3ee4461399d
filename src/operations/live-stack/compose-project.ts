import type { Stack } from "../../model/stack.ts";
import type { ComposeFiles } from "./journal-shapes.ts";

/** The part of a stack that selects the files Compose reads. */
export function projectOf(stack: Stack): ComposeFiles {
  return {
    project: stack.project,
    directory: stack.directory,
    composeFiles: [...stack.composeFiles],
    envFiles: [...stack.envFiles],
    profiles: [...stack.profiles],
  };
}
