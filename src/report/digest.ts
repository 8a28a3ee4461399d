/** Shortens `repository@sha256:0123…` to `sha256:` and twelve digits. */
export function shortDigest(digest: string): string {
  const [, hex] = /sha256:([0-9a-f]{12})/.exec(digest) ?? [];
  return hex === undefined ? digest : `sha256:${hex}`;
}
