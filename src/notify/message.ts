import type { Result } from "../model/result.ts";
import type { AddressKind } from "../options/notify-address.ts";

/** What is told of a run: masked, and without markup. */
export interface Message {
  /** The outcome as one sentence, with stack and host. */
  readonly title: string;
  /** A few lines for a person. */
  readonly text: string;
  /** Whether the run ended with exit code 0. */
  readonly isGood: boolean;
  /** Whether a person must act now (exit code 7). */
  readonly isUrgent: boolean;
  readonly host: string;
  readonly stack?: string | undefined;
  readonly command: string;
  readonly at: Date;
  readonly result: Result;
}

/** The body of one HTTP request. */
interface Payload {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** For a person, the beginning says what there is to know. */
const textLimit = 1800;
/** Discord refuses a message with more characters, after markup is escaped. */
const discordLimit = 2000;
/** ntfy makes a file of a message with more bytes. */
const ntfyLimitBytes = 4096;

/** The request that a service understands. */
export function payloadOf(
  kind: Exclude<AddressKind, "mail" | "sendmail">,
  message: Message,
): Payload {
  const { title } = message;
  const text = cut(message.text, textLimit);
  switch (kind) {
    case "webhook": {
      const { host, stack, command, at, result } = message;
      return json({ title, host, stack, command, at: at.toISOString(), result });
    }
    case "healthchecks":
      return plain(`${title}\n${text}`);
    case "ntfy": {
      const priority = message.isUrgent ? "5" : message.isGood ? "3" : "4";
      // A header holds no line break and only ASCII; ntfy decodes RFC 2047.
      const encoded = `=?UTF-8?B?${Buffer.from(title).toString("base64")}?=`;
      return plain(cut(text === "" ? title : text, ntfyLimitBytes, Buffer.byteLength), {
        Title: encoded,
        Priority: priority,
      });
    }
    case "slack":
      return json({ text: `*${slackText(title)}*\n${slackText(text)}` });
    case "discord":
      return json({
        content: cut(`**${discordText(title)}**\n${discordText(text)}`, discordLimit),
        // Nothing in a log or a tag may call people.
        allowed_mentions: { parse: [] },
      });
    case "teams":
      return json(teamsCard(title, text));
  }
}

/** The beginning of a text, in whole characters, that is not longer than a limit. */
function cut(text: string, limit: number, lengthOf = (one: string) => one.length): string {
  if (lengthOf(text) <= limit) return text;
  let [length, end] = [0, 0];
  for (const character of text) {
    length += lengthOf(character);
    if (length > limit) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Slack's three special characters; see its documentation, Formatting text. */
function slackText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function discordText(text: string): string {
  return text.replace(/[\\*_~`|>#[\]]/g, "\\$&");
}

/** An adaptive card, as an incoming webhook of Teams takes it. */
function teamsCard(title: string, text: string): unknown {
  const block = (content: string, more: object) => ({
    ...{ type: "TextBlock", text: discordText(content), wrap: true },
    ...more,
  });
  const content = {
    ...{ type: "AdaptiveCard", version: "1.4" },
    body: [block(title, { weight: "Bolder" }), block(text, {})],
  };
  const attachment = { contentType: "application/vnd.microsoft.card.adaptive", content };
  return { type: "message", attachments: [attachment] };
}

function json(value: unknown): Payload {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

function plain(body: string, headers: Readonly<Record<string, string>> = {}): Payload {
  return { headers: { "Content-Type": "text/plain; charset=utf-8", ...headers }, body };
}
