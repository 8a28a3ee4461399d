import { configKeys } from "../src/options/config-file.ts";
import { inputSpec } from "../src/options/inputs.ts";
import type { InputSpec } from "../src/options/spec.ts";

const address =
  "https://raw.githubusercontent.com/sophon-keeper/sophon-keeper/main/sophon-keeper.schema.json";
const text = { type: "string", minLength: 1 };
const duration = {
  type: ["string", "integer"],
  pattern: "^(0|((\\d+(\\.\\d+)?)(ms|[smhdw]))+)$",
  maximum: 0,
};

/** The JSON Schema of `sophon-keeper.yaml`, by which editors complete and check it. */
export function configSchema(): string {
  const properties = Object.fromEntries(
    [...configKeys()].map(([key, name]) => {
      const spec: InputSpec = inputSpec(name);
      const about = spec.aboutFlag ?? spec.about;
      const isFile = key !== name;
      const shape = isFile ? listOf(text) : shapeOf(spec);
      const description = isFile ? `Path of a file that contains it. ${about}` : about;
      return [key, { description, ...shape }];
    }),
  );
  const stack = { type: ["object", "null"], additionalProperties: false, properties };
  return `${JSON.stringify(
    {
      $schema: "http://json-schema.org/draft-07/schema#",
      $id: address,
      title: "Configuration of Sophon Keeper",
      type: "object",
      additionalProperties: false,
      properties: {
        ...properties,
        stacks: {
          description: "Several stacks on one host, by name: --stack NAME, or --stack all.",
          type: "object",
          propertyNames: { pattern: "^(?!all$)[A-Za-z0-9_.-]+$" },
          additionalProperties: stack,
        },
      },
    },
    null,
    2,
  )}\n`;
}

function shapeOf({ kind, choices, min, max }: InputSpec): object {
  switch (kind) {
    case "flag":
      return { type: "boolean" };
    case "integer":
      return { type: "integer", minimum: min ?? 0, ...(max === undefined ? {} : { maximum: max }) };
    case "choice":
      return { enum: choices };
    case "choices":
      return listOf({ enum: choices });
    case "duration":
      return duration;
    case "images":
    case "modes":
      return {
        anyOf: [
          text,
          { type: "array", items: text },
          { type: "object", additionalProperties: text },
        ],
      };
    case "text":
    case "path":
    case "url":
      return { type: ["string", "integer"], minLength: 1 };
    default:
      return listOf(text);
  }
}

function listOf(item: object): object {
  return { anyOf: [item, { type: "array", items: item }] };
}
