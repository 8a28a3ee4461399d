import { expect, it } from "vitest";
import { Masker } from "../../../src/core/secrets.ts";

const secret = 'pä ss"w/ord+1';
const masker = new Masker();
masker.add(secret);
masker.add("first line\nsecond line");

it.each([
  ["as it is", secret],
  ["URL-encoded", encodeURIComponent(secret)],
  ["form-encoded", encodeURIComponent(secret).replaceAll("%20", "+")],
  ["in JSON", JSON.stringify(secret).slice(1, -1)],
  ["as hex", Buffer.from(secret).toString("hex")],
  ["as HEX", Buffer.from(secret).toString("hex").toUpperCase()],
  ["as base64", Buffer.from(secret).toString("base64")],
  ["one line of several", "second line"],
])("masks a secret %s", (_, text) => {
  expect(masker.mask(`before ${text} after`)).toBe("before *** after");
});

it.each(["", "u", "us", "user:"])(
  "masks a secret after %j in base64, like basic auth",
  (before) => {
    const header = Buffer.from(`${before}${secret}:and more`).toString("base64");
    expect(masker.mask(header)).toContain("***");
    expect(masker.mask(header).replace("***", "").length).toBeLessThan(before.length * 2 + 20);
  },
);

it("masks the texts of a value and keeps its shape", () => {
  const value = { true: true, list: [secret, 4], deep: { line: `x ${secret}` } };
  expect(masker.maskValue(value)).toEqual({
    true: true,
    list: ["***", 4],
    deep: { line: "x ***" },
  });
});

it("leaves texts alone that are too short to be a secret", () => {
  const short = new Masker();
  short.add("abc");
  expect(short.mask("abc")).toBe("abc");
});
