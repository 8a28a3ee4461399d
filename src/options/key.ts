const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/**
 * Whether a text is a well-formed age X25519 key of the given kind: BIP 173 bech32, 32 bytes, checksum right.
 * Finds a mistyped or truncated key before anything starts.
 */
export function isAgeKey(text: string, prefix: "age" | "age-secret-key-"): boolean {
  const lower = text.toLowerCase();
  if (text !== (prefix === "age" ? lower : text.toUpperCase())) return false;
  if (!lower.startsWith(`${prefix}1`)) return false;
  const data = [...lower.slice(prefix.length + 1)].map((letter) => alphabet.indexOf(letter));
  // 32 bytes are 52 groups of five bits; six groups of checksum follow.
  if (data.length !== 58 || data.includes(-1)) return false;
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  const expanded = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
  return polymod([...expanded, ...data]) === 1;
}

function polymod(values: readonly number[]): number {
  const generators = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  return values.reduce((check, value) => {
    const top = check >>> 25;
    const shifted = ((check & 0x1ffffff) << 5) ^ value;
    return generators.reduce(
      (sum, generator, bit) => ((top >>> bit) & 1 ? sum ^ generator : sum),
      shifted,
    );
  }, 1);
}
