import type { RawInputs } from "./input-files.ts";

/** A header's value that is shorter, such as `https`, protects nothing and would mask half a log. */
const minimumValueLength = 8;

/** What of the inputs must never be seen in a log: keys, passphrases, and a header in whole and its value alone. */
export function secretTexts(inputs: RawInputs): string[] {
  const { passphrase, identity } = inputs;
  const header = inputs["health-header"];
  const value = header?.slice(header.indexOf(":") + 1).trim();
  // Of `Bearer <token>` the token, as a server's own message may have it.
  const token = value?.split(/\s+/).at(-1);
  const values = [value, token].filter((text) => (text ?? "").length >= minimumValueLength);
  return [passphrase, identity, header, ...values].filter((text) => text !== undefined);
}
