import { z } from "zod";

/** A journal as an operation declares it. */
export const testSpec = {
  operation: "upgrade",
  phases: ["quiesce", "apply"],
  steps: {
    pause: z.object({ container: z.string() }),
    apply: z.object({ images: z.record(z.string(), z.string()) }),
  },
} as const;
