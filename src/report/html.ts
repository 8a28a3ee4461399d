import { pageStyle } from "./page-style.ts";

/** What every page has. The members are markup, except for the title and the version. */
interface Shell {
  readonly title: string;
  readonly header: string;
  readonly main: string;
  readonly version: string;
  /** Style beyond that of every page. */
  readonly style?: string;
}

/** A self-contained page: nothing is loaded, and nothing runs. */
export function htmlPage({ title, header, main, version, style = "" }: Shell): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
${pageStyle}${style}
</style>
</head>
<body>
<header>
${header}
</header>
<main>
${main}
</main>
<footer>Sophon Keeper ${escaped(version)}</footer>
</body>
</html>
`;
}

/** A titled list; nothing without items. */
export function list(title: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  const lines = items.map((item) => `<li>${escaped(item)}</li>`).join("\n");
  return `<section><h2>${title}</h2>\n<ul>\n${lines}\n</ul>\n</section>`;
}

/** A titled {@link table}; nothing without rows. */
export function section(title: string, head: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return "";
  return `<section>\n<h2>${title}</h2>\n${table(head, rows)}\n</section>`;
}

/**
 * A table of cells that are markup already. A title that ends in `#` belongs to a column of numbers, one in `!` to names that are not
 * broken. On a narrow screen each row becomes a block, and each cell names its column.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((title) => {
    const kind = { "#": "number", "!": "name" }[title.slice(-1)];
    return {
      text: kind === undefined ? title : title.slice(0, -2),
      attribute: kind === undefined ? "" : ` class="${kind}"`,
    };
  });
  const titles = columns.map(({ text, attribute }) => `<th scope="col"${attribute}>${text}</th>`);
  const lines = rows.map((cells) => {
    const all = columns.map(
      ({ text, attribute }, at) => `<td${attribute} data-label="${text}">${cells[at] ?? ""}</td>`,
    );
    return `<tr>${all.join("")}</tr>`;
  });
  return `<table class="rows">\n<thead><tr>${titles.join("")}</tr></thead>\n<tbody>\n${lines.join("\n")}\n</tbody>\n</table>`;
}

/** Text as it is, which the keyboard can scroll. */
export function pre(text: string, label: string): string {
  return `<pre tabindex="0" role="region" aria-label="${escaped(label)}">${escaped(text)}</pre>`;
}

/** Text from a log or a file name must not become markup. */
export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
