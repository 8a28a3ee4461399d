import { passwordsIn } from "../core/secrets.ts";
import type { RawInputs } from "./input-files.ts";

/** A shorter header value, such as `https`, is no secret, and masking it would hide half the log. */
const minimumValueLength = 8;

/** The secrets among the inputs, which must never appear in a log: keys, passphrases, a header and its value, addresses. */
export function secretTexts(inputs: RawInputs): string[] {
  const { passphrase, identity } = inputs;
  const header = inputs["health-header"];
  const value = header?.slice(header.indexOf(":") + 1).trim();
  // Mask the token of `Bearer <token>` on its own: a message of the server may contain it.
  const token = value?.split(/\s+/).at(-1);
  const values = [value, token].filter((text) => (text ?? "").length >= minimumValueLength);
  const addresses = (inputs.notify ?? "").split("\n").map((line) => line.trim());
  const told = addresses.filter((line) => line.length >= minimumValueLength);
  const passwords = passwordsIn(inputs["health-url"] ?? "");
  return [
    passphrase,
    identity,
    inputs["github-token"],
    header,
    ...values,
    ...told,
    ...told.flatMap(passwordsOf),
    ...passwords,
  ].filter((text) => text !== undefined);
}

/** The password of an address, as it stands there and as it is sent. */
function passwordsOf(address: string): string[] {
  const url = address.replace(/^[a-z]+\+/, "");
  if (!URL.canParse(url)) return [];
  const { password } = new URL(url);
  try {
    return password === "" ? [] : [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
