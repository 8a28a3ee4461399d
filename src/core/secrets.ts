/** Masking shorter texts would hide half the log and protect nothing. */
const minimumLength = 4;

/**
 * Replaces secrets by `***` in all output, also in URL-encoded, JSON-escaped, hex or base64 form (at each of the three
 * alignments).
 */
export class Masker {
  readonly #forms = new Set<string>();

  /** Masks this text and each of its lines from now on. Returns the forms that were added. */
  add(secret: string): string[] {
    const fresh = secretForms(secret).filter((form) => !this.#forms.has(form));
    for (const form of fresh) this.#forms.add(form);
    return fresh;
  }

  /** Replaces every secret in a text, the longest first. */
  mask(text: string): string {
    const forms = [...this.#forms].sort((a, b) => b.length - a.length);
    return forms.reduce((masked, form) => masked.replaceAll(form, "***"), text);
  }

  /** Copies a JSON-like value and replaces secrets in its texts. */
  maskValue(value: unknown): unknown {
    if (typeof value === "string") return this.mask(value);
    if (Array.isArray(value)) return value.map((item) => this.maskValue(item));
    if (value === null || typeof value !== "object") return value;
    const members = Object.entries(value).map(([key, item]) => [key, this.maskValue(item)]);
    return Object.fromEntries(members);
  }
}

/** An address without the user name and password that somebody wrote into it, for messages: also what is no address at all. */
export function withoutUserInfo(text: string): string {
  return text.replace(/^([a-z][a-z\d+.-]*:\/\/)?\S*@/i, "$1***@");
}

/** The password in an address, as it stands there and as it is meant. */
export function passwordsIn(address: string): string[] {
  const [, password = ""] =
    /^(?:[a-z][a-z\d+.-]*:\/\/)?[^:@/[]*:(?!\/\/)(.+)@/i.exec(address) ?? [];
  if (password === "") return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}

/** The forms in which a secret may appear in a log. */
function secretForms(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  const texts = [secret.trim(), ...lines].filter((text) => text.length >= minimumLength);
  return [...new Set(texts.flatMap(formsOf))].filter((form) => form.length >= minimumLength);
}

function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString("hex");
  const url = encodeURIComponent(text);
  return [
    text,
    url,
    url.replaceAll("%20", "+"),
    JSON.stringify(text).slice(1, -1),
    hex,
    hex.toUpperCase(),
    ...base64Forms(bytes),
  ];
}

/** The base64 letters of a secret inside a longer text that do not depend on the neighbouring bytes. */
function base64Forms(bytes: Buffer): string[] {
  const forms = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const start = offset === 0 ? 0 : offset + 1;
    const bits = (offset + bytes.length) * 8;
    return encoded.slice(start, Math.floor(bits / 6));
  });
  const whole = bytes.toString("base64");
  const urlSafe = forms.map((form) => form.replaceAll("+", "-").replaceAll("/", "_"));
  return [whole, ...forms, ...urlSafe];
}
