import { z } from "zod";

/** The shapes that the journals of several operations share. They are on disk: names and types never change. */

const texts = z.array(z.string());

/** A file of the project that is edited; its texts lie in the work directory of the operation. */
const edit = z.object({
  path: z.string(),
  existed: z.boolean(),
  before: z.string(),
  after: z.string(),
});

/** How the project's files come to name certain images. */
export const pinsShape = z.object({
  edits: z.array(edit),
  /** The compose files that are in force once the edits are made. */
  composeFiles: texts,
});

/** What chooses Compose's files. */
export const projectShape = z.object({
  project: z.string(),
  directory: z.string(),
  composeFiles: texts,
  envFiles: texts,
  profiles: texts,
});

/** What the services of a stack depend on, so that the way back starts them in their order. */
export const dependenciesShape = z.record(
  z.string(),
  z
    .array(z.object({ service: z.string(), condition: z.string(), restart: z.boolean() }))
    .readonly(),
);

/** What {@link pinsShape} describes. */
export type Pins = z.output<typeof pinsShape>;
/** What {@link projectShape} describes. */
export type ComposeFiles = z.output<typeof projectShape>;
