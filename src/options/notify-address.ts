/** The ways in which a result can be told to somebody. */
export const addressKinds = [
  "webhook",
  "healthchecks",
  "ntfy",
  "slack",
  "discord",
  "teams",
  "mail",
  "sendmail",
] as const;

/** One of {@link addressKinds}. */
export type AddressKind = (typeof addressKinds)[number];

/** Where a result is sent to. The URL usually contains a secret: it is never shown. */
export interface Address {
  readonly kind: AddressKind;
  /** The URL of the service; of a mail server with `from` and `to`; for `sendmail` the receiver's address. */
  readonly url: string;
  /** What may be shown, such as `slack at hooks.slack.com`. */
  readonly label: string;
}

/**
 * Reads an address: `https://…` (webhook), `KIND+https://…`, `smtp://…?from=…&to=…`, `smtps://…`, or `sendmail:NAME@HOST`.
 *
 * @throws Error that says what is wrong, without the address itself.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith("sendmail:")) return sendmail(text.slice("sendmail:".length));
  const [, prefix = "webhook", url = ""] = /^(?:([a-z]+)\+)?(.*)$/s.exec(text) ?? [];
  if (!URL.canParse(url)) throw new Error(`has an address that is no URL`);
  const { protocol, hostname, searchParams } = new URL(url);
  if (protocol === "smtp:" || protocol === "smtps:") {
    if (searchParams.get("from") === null || searchParams.get("to") === null) {
      throw new Error("has a mail server without ?from=ADDRESS&to=ADDRESS");
    }
    return { kind: "mail", url, label: `mail by ${hostname}` };
  }
  const kind = addressKinds.find((name) => name === prefix);
  if (kind === undefined || kind === "mail" || kind === "sendmail") {
    throw new Error(`has an address of the unknown kind "${prefix}"`);
  }
  if (protocol !== "https:" && protocol !== "http:") {
    throw new Error(`has an address with ${protocol}// instead of https://`);
  }
  return { kind, url, label: `${kind} at ${hostname}` };
}

function sendmail(to: string): Address {
  // The receiver is an argument of a program: it must not look like an option.
  if (!/^[^\s@-][^\s@]*@[^\s@]+$/.test(to))
    throw new Error("has sendmail: without a mail address behind it");
  return { kind: "sendmail", url: to, label: `sendmail to ${to}` };
}
