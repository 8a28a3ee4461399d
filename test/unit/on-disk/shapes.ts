import { z } from "zod";
import type { JournalSpec } from "../../../src/operations/session/journal.ts";

/** The part of a JSON schema that shapes of journals use. */
interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
}

/**
 * What a journal may hold, one line a member: `upgrade-test plan.copies[].volume?: string`. A `?` marks a member that may be
 * missing.
 */
export function linesOf({ operation, phases, steps }: JournalSpec): string[] {
  return [
    ...phases.map((phase) => `${operation} phase ${phase}`),
    ...Object.entries(steps).flatMap(([step, shape]) => {
      const schema = z.toJSONSchema(shape, { io: "input" }) as Schema;
      return membersOf(schema, `${operation} ${step}`);
    }),
  ];
}

function membersOf(schema: Schema, path: string): string[] {
  const { properties, additionalProperties, items, required = [] } = schema;
  if (items !== undefined) return membersOf(items, `${path}[]`);
  if (properties !== undefined) {
    const members = Object.entries(properties).flatMap(([name, member]) =>
      membersOf(member, `${path}.${name}${required.includes(name) ? "" : "?"}`),
    );
    return [`${path}: object`, ...members];
  }
  if (typeof additionalProperties === "object") return membersOf(additionalProperties, `${path}{}`);
  return [`${path}: ${schema.enum?.join("|") ?? schema.type}`];
}
