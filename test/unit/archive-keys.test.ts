import { describe, expect, it } from "vitest";
import {
  ephemeralIdentity,
  parseIdentities,
  parseRecipients,
  recipientOf,
} from "../../src/archive/age/keys.ts";

describe("recipients", () => {
  it("are read one a line, comments and repetitions dropped", async () => {
    const [a, b] = [await ephemeralIdentity(), await ephemeralIdentity()];
    const text = `# ops\n${a.recipient}\r\n\n  ${b.recipient} \n${a.recipient}\n`;
    expect(parseRecipients(text)).toEqual([a.recipient, b.recipient]);
  });

  it.each([
    ["", /no recipient/],
    ["# only a comment", /no recipient/],
    ["age1pq1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", /not a plain X25519/],
    ["age1yubikey1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", /not a plain X25519/],
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@host", /not a plain X25519/],
    ["age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafx", /not valid/],
    ["me@example.com", /not valid/],
  ])("%j is refused", (text, message) => {
    expect(() => parseRecipients(text)).toThrow(message);
  });

  it("that are a secret key are refused without printing it", async () => {
    const { identity } = await ephemeralIdentity();
    expect(() => parseRecipients(identity)).toThrow(/secret key/);
    expect(messageOf(() => parseRecipients(identity))).not.toContain(identity.slice(16, 30));
  });
});

describe("identities", () => {
  it("are read as age-keygen writes them", async () => {
    const { identity, recipient } = await ephemeralIdentity();
    const text = `# created: 2026-01-01T00:00:00Z\n# public key: ${recipient}\n${identity}\n`;
    expect(parseIdentities(text)).toEqual([identity]);
    expect(await recipientOf(identity)).toBe(recipient);
  });

  it.each([
    ["", /no identity/],
    ["-----BEGIN AGE ENCRYPTED FILE-----\nabc", /itself encrypted/],
    ["-----BEGIN OPENSSH PRIVATE KEY-----\nabc", /not a plain X25519/],
  ])("%j is refused", (text, message) => {
    expect(() => parseIdentities(text)).toThrow(message);
  });

  it("that are mistyped are refused without printing them", async () => {
    const { identity } = await ephemeralIdentity();
    const mistyped = `${identity.slice(0, -1)}${identity.endsWith("Q") ? "P" : "Q"}`;
    const message = messageOf(() => parseIdentities(mistyped));
    expect(message).toMatch(/not valid/);
    expect(message).not.toContain(identity.slice(16, 24));
  });
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return `${error} ${error instanceof Error ? `${error.stack} ${error.cause}` : ""}`;
  }
  throw new Error("nothing was thrown");
}
