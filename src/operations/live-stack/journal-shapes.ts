import { z } from "zod";

/** The journal shapes that several operations share. They are an on-disk format: names and types never change. */

const texts = z.array(z.string());

/** An edit of a project file. The contents from before and after are in the operation's work directory. */
const edit = z.object({
  path: z.string(),
  existed: z.boolean(),
  before: z.string(),
  after: z.string(),
});

/** The edits that make the project's files name certain images. */
export const pinsShape = z.object({
  edits: z.array(edit),
  /** The compose files in use once the edits are made. */
  composeFiles: texts,
});

/** The settings that select the files Compose reads. */
export const projectShape = z.object({
  project: z.string(),
  directory: z.string(),
  composeFiles: texts,
  envFiles: texts,
  profiles: texts,
  /** The file with the variables that only the shell had. Absent in older journals. */
  variables: z.string().optional(),
});

/** The dependencies of a stack's services: a rollback starts the services in that order. */
export const dependenciesShape = z.record(
  z.string(),
  z
    .array(z.object({ service: z.string(), condition: z.string(), restart: z.boolean() }))
    .readonly(),
);

/** The volumes of a container that have no name in the files: one that takes over gets them. */
export const anonymousShape = z
  .array(z.object({ volume: z.string(), target: z.string() }))
  .readonly();

/** What {@link pinsShape} describes. */
export type Pins = z.output<typeof pinsShape>;
/** What {@link projectShape} describes. */
export type ComposeFiles = z.output<typeof projectShape>;
