import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exhaustive } from "../lab/matrix.ts";
import { settled } from "./support/layouts.ts";
import { healthFile, smallStack } from "./support/small-stack.ts";

it(
  "is refused while Compose would copy other content into a container than it has, and names no secret",
  exhaustive,
  async () => {
    const reads = "grep -qx colour=blue /app.conf && grep -qx s3cret-of-app /run/secrets/tok";
    await using stack = await smallStack(
      "content",
      {
        app: `image: IMAGE, init: true, configs: [{ source: conf, target: /app.conf }], secrets: [tok], command: ["sh", "-c", "${reads} || exit 1; touch /tmp/healthy; exec sleep infinity"], ${healthFile}`,
      },
      `configs: { conf: { content: "colour=\${COLOUR}\\n" } }\nsecrets: { tok: { environment: TOK } }\n`,
    );
    const set = async (text: string) => await writeFile(join(stack.directory, ".env"), text);
    const own = `COLOUR=blue\nBASE=s3cret\nTOK=\${BASE}-of-app\n`;
    await set(own);
    await stack.compose(["up", "--detach"]);
    await settled(stack);
    const before = await stack.states();
    const others = [
      [own.replace("blue", "red"), /app: configs\.conf: \*\*\*\w+ -> \*\*\*\w+/],
      [own.replace("-of", "+of"), /app: secrets\.tok from TOK: \*\*\*\w+ -> \*\*\*\w+/],
      [own.replace("TOK=", "KOT="), /app: secrets\.tok from TOK: \*\*\*\w+ -> nothing/],
    ] as const;
    for (const [text, told] of others) {
      await set(text);
      const { code, result, stderr } = await stack.upgrade({ app: 2 });
      expect(code, stderr).toBe(2);
      expect(result.reason).toMatchObject({ class: "changed-files" });
      expect(result.reason.message).toMatch(told);
      expect(result.reason.hint).toContain("--force-recreate");
      expect(JSON.stringify(result) + stderr).not.toContain("of-app");
      expect(await stack.states()).toBe(before);
    }
    await set(own);
    const good = await stack.upgrade({ app: 2 });
    expect(good.code, good.stderr).toBe(0);
  },
);
