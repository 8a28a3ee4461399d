import type { Form } from "./event.ts";

const TYPE = "[A-Za-z_][\\w+`]*(?:\\.[\\w+`]+)+";
const EXCEPTION_LINE = new RegExp(
  `(?:^|\\n)[ \\t]*(?:-+> ?)?(?:\\(Inner Exception #\\d+\\) ?)?${TYPE}(?:Exception|Error|Failure)\\b(?: \\([^)\\n]{1,60}\\))?(?::|\\r?\\n|$)|(?:^|\\n)\\s+at [\\w<]|(?:^|\\n)\\s*Exception data:|(?:^|\\n)Unhandled exception\\b`,
  "i",
);
/** Python tells the frames first and the exception last. */
const TRACEBACK = "Traceback (most recent call last)";
const EXCEPTION_INLINE = new RegExp(
  `(?:^|\\s|[\\[(])(?=${TYPE}Exception(?: \\([^)\\n]{1,60}\\))?: )`,
);

/** Where in a record's text the exception begins; -1 where there is none. */
export function exceptionStart(text: string, form: Form): number {
  if (!/exception|error|failure|traceback|(?:^|\n)\s+at /i.test(text)) return -1;
  if (/^(?:Executed|Executing) DbCommand/.test(text)) return -1;
  const traceback = text.indexOf(TRACEBACK);
  if (traceback !== -1) return traceback;
  const own = EXCEPTION_LINE.exec(text);
  const inline = EXCEPTION_INLINE.exec(text);
  const starts = [own, inline].flatMap((m) => (m === null ? [] : [m.index]));
  if (starts.length === 0) return -1;
  return form === "raw" && starts.includes(0) ? 0 : Math.min(...starts);
}
