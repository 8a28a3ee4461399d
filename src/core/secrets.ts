/** Texts this short would mask half a log and protect nothing. */
const minimumLength = 4;

/**
 * Remembers secrets and replaces them by `***` in whatever is printed, also where they appear URL-encoded,
 * JSON-escaped, as hex, or as base64 at any of its three alignments.
 */
export class Masker {
  readonly #forms = new Set<string>();

  /** From now on this text, and each line of it, is masked. Returns the forms that are new. */
  add(secret: string): string[] {
    const fresh = secretForms(secret).filter((form) => !this.#forms.has(form));
    for (const form of fresh) this.#forms.add(form);
    return fresh;
  }

  /** The text with every secret replaced, the longest first. */
  mask(text: string): string {
    const forms = [...this.#forms].sort((a, b) => b.length - a.length);
    return forms.reduce((masked, form) => masked.replaceAll(form, "***"), text);
  }

  /** A copy of a JSON-like value with secrets replaced in its texts. */
  maskValue(value: unknown): unknown {
    if (typeof value === "string") return this.mask(value);
    if (Array.isArray(value)) return value.map((item) => this.maskValue(item));
    if (value === null || typeof value !== "object") return value;
    const members = Object.entries(value).map(([key, item]) => [key, this.maskValue(item)]);
    return Object.fromEntries(members);
  }
}

/** Every form in which a secret is likely to show up in a log. */
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

/** Base64 of the bytes wherever they start in a longer text: the letters that do not depend on the neighbours. */
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
