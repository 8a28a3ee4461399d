/** The number of the line that names an image or, as the value of a variable, its tag; undefined if none does. Pure. */
export function lineOf(text: string, reference: string): number | undefined {
  const tag = /:([^:/@]+)(?:@.*)?$/.exec(reference)?.[1];
  const isNamed = (line: string) => {
    const [, key = "", value = ""] = /^\s*(image:|[A-Za-z_]\w*=)\s*(.*?)\s*$/.exec(line) ?? [];
    const word = value.replace(/\s+#.*$/, "").replace(/^(["'])(.*)\1$/, "$2");
    return word === reference || (key.endsWith("=") && word === tag);
  };
  const at = text.split("\n").findIndex(isNamed);
  return at === -1 ? undefined : at + 1;
}
