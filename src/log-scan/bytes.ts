/** How many bytes are looked at to tell the encoding, and characters to tell text from binary data. */
const SAMPLE = 65_536;
/** More control characters than this share, in text without zero bytes, and it is no text. */
const BINARY_SHARE = 0.02;

/**
 * Decodes the bytes of a log: UTF-8, or UTF-16 with or without a byte order mark, as PowerShell's `>` and Windows
 * editors write it. Bytes that are not valid become U+FFFD: levels and SQL are ASCII and survive.
 */
export function toText(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes)).decode(bytes);
}

function encodingOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  let even = 0;
  let odd = 0;
  const length = Math.min(bytes.length, SAMPLE);
  for (let at = 0; at < length; at += 1) {
    if (bytes[at] !== 0) continue;
    if (at % 2 === 0) even += 1;
    else odd += 1;
  }
  // Latin letters leave every second byte zero; a zero-filled head of a rotated file has both.
  if (odd > length * 0.3 && even < odd / 20) return "utf-16le";
  if (even > length * 0.3 && odd < even / 20) return "utf-16be";
  return "utf-8";
}

/** Whether a decoded text is binary data: random bytes, an archive, a database file. */
export function isBinary(text: string): boolean {
  let controls = 0;
  let characters = 0;
  const length = Math.min(text.length, SAMPLE);
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    // A log that was truncated while it was written begins with zeros.
    if (code === 0) continue;
    characters += 1;
    const isLayout = code === 9 || code === 10 || code === 13 || code === 27 || code === 8;
    if (code < 32 && !isLayout) controls += 1;
  }
  return controls > characters * BINARY_SHARE;
}
