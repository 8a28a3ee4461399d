/** Things said about a migration, in the languages applications were seen to say them in. */
const MIGRATION =
  /\bmigrat(?:e|es|ed|ing|ion|ions|or)\b|\bmigraci[o\u00f3]n|\bmigra[c\u00e7][a\u00e3]o|\bmigrazion[ei]|\bmigrar\b|\bmigrier|\bmigrer\b|\u043c\u0438\u0433\u0440\u0430\u0446\u0438|\u8fc1\u79fb|\u9077\u79fb|\u30de\u30a4\u30b0\u30ec\u30fc\u30b7\u30e7\u30f3|\ub9c8\uc774\uadf8\ub808\uc774\uc158|\bschema (?:upgrade|update|change|sync)|\b\d{8,14}_\w+/iu;
const DATABASE_STARTUP =
  /\b(?:database|db|schema|base de donn\S{1,3}|base de datos|banco de dados)\b[^.\n]{0,40}\b(?:initiali[sz]\w*|upgrad\w*|creation|setup|seed\w*|prepar\w*)|\b(?:initiali[sz]\w*|upgrad\w*|creat\w*|seed\w*|prepar\w*|set(?:ting)? up|updat\w*)\b[^.\n]{0,30}\b(?:the )?(?:database|db|schema)\b|datenbank-?(?:initialisierung|migration|aktualisierung|schema)|datenbank\b[^.\n]{0,40}(?:initialisier|aktualisier|migrier|erstell)|\u0431\u0430\u0437\u044b \u0434\u0430\u043d\u043d\u044b\u0445|\u6570\u636e\u5e93\u521d\u59cb\u5316/iu;
/** A part of the program that is named after migrating. */
const TASK = /\bMigrat(?:ion|or)s?[A-Z][A-Za-z]{1,40}\b/;
const FAILURE =
  /\bfail(?:ed|ure|ures|s|ing)?\b|\berrors?\b|\b\w{0,60}exceptions?\b|\bunable\b|\bcould ?n[o'\u2019]t\b|\bcannot\b|\bcan['\u2019]t\b|\babort(?:ed|ing)?\b|\bunsuccessful|\bcrashed\b|\bwent wrong\b|\bproblems?\b|\btrouble\b|\bdid ?n[o'\u2019]t succeed\b|\brolled back\b|fehl(?:er\b|geschlagen|schlug)|gescheitert|[e\u00e9]chec|[e\u00e9]chou[e\u00e9]|\berreur|\berro\b|\bfalh(?:a|ou)|\bfall(?:\u00f3|ida?)\b|\berrore\b|fallit|\u043e\u0448\u0438\u0431\u043a|\u043d\u0435 \u0443\u0434\u0430\u043b\u043e\u0441\u044c|\u5931\u8d25|\u5931\u6557|\u9519\u8bef|\u932f\u8aa4|\u30a8\u30e9\u30fc|\uc2e4\ud328|\uc624\ub958|b\u0142\u0105d|mislukt|\bfout\b/iu;
const DENIED =
  /\b(?:aucune?|keine?|sin|nessun\w*|geen|sem) \w{0,16} ?(?:erreurs?|fehler|error\w*|erro\w*|fout\w*)|\b(?:0|no|zero|without(?: any)?) (?:\w{1,16} )?(?:errors?|fail(?:ed|ures?)?|exceptions?|problems?)\b|\b(?:errors?|fail(?:ed|ures?)?|exceptions?)\s*[:=]\s*(?:0|none|false)\b|\b(?:may|might|could|would) (?:be |have )?(?:fail|left|cause|corrupt|take)\w*|\b(?:if|when|unless|in case|on)\b[^.\n]{0,40}\b(?:fails?|errors?|failure)\b/iu;
const SUCCESS =
  /\b(?:success(?:ful|fully)?|succeeded|completed|complete|finished|applied|up[- ]to[- ]date|done|erfolgreich|abgeschlossen|r\u00e9ussi\w*|exitosamente|\u0443\u0441\u043f\u0435\u0448\u043d\u043e|\u5b8c\u6210|\u6210\u529f)\b/iu;
const RUNNING = /^(?:running|starting|applying|executing|performing|updating|migrating)\b/i;
const RETRY =
  /\bretr(?:y|ies|ied|ying)\b|\battempt\b(?! to write)|\btry(?:ing)? again\b|\bagain (?:in|after)\b|\bwaiting (?:for|on)\b|\bnot (?:yet )?(?:ready|available|reachable|up)\b|\bwiederhol|\berneut|\bnouvelle tentative|\breintent|\u043f\u043e\u0432\u0442\u043e\u0440|\u91cd\u8bd5/iu;

/** How much of a message is read for its words; names and data come later in it. */
const WINDOW = 400;

/** A migration as its tool names it: `20260101-add-failed-logins`, `2026-01-01-000000_errors`, `V12__fail.sql`. */
const NAMED =
  /\b(?:\d{4}-\d{2}-\d{2}-\d{4,6}|V?\d{1,4}_|\d{8,14})[-_][A-Za-z][\w-]{0,120}(?:\.\w{2,4}\b)?/g;

/** Whether the message says in so many words that migrating (`strict`) or preparing the database failed. */
export function saysMigrationFailed(message: string, strict: boolean): boolean {
  const text = plain(message);
  const about =
    MIGRATION.test(text) || (!strict && (DATABASE_STARTUP.test(text) || TASK.test(text)));
  return about && FAILURE.test(text) && !DENIED.test(text);
}

/** Whether the message reports that a migration or the database's preparation ended well. */
export function saysMigrationSucceeded(message: string): boolean {
  const text = plain(message);
  return (
    (MIGRATION.test(text) || DATABASE_STARTUP.test(text)) &&
    SUCCESS.test(text) &&
    (!FAILURE.test(text) || DENIED.test(text))
  );
}

/** Whether a record without an exception only tells that a migration runs, at whatever level. */
export function saysMigrationGoesOn(record: { message: string; exception: string }): boolean {
  const text = plain(record.message);
  return (
    record.exception === "" && RUNNING.test(text) && MIGRATION.test(text) && !FAILURE.test(text)
  );
}

/** Whether the text says that it will be tried again, or that something is not there yet. */
export function saysRetry(text: string): boolean {
  return RETRY.test(text.length > WINDOW ? text.slice(0, WINDOW) : text);
}

/** The name of an event, which structured loggers write in the place of a sentence: `migration_failed`. */
const EVENT = /^[a-z]{2,30}(?:_[a-z]{2,30}){1,6}(?=\s|$)/;

/** Without quoted names: `Applying 'FixMigrationFailedFlag'` says nothing about failure. */
function plain(message: string): string {
  const head = message.length > WINDOW ? message.slice(0, WINDOW) : message;
  return head
    .replace(/"[^"\n]{0,200}"|'[^'\n]{3,200}'|`[^`\n]{0,200}`/g, " ")
    .replace(NAMED, " migration ")
    .replace(EVENT, (event) => event.replaceAll("_", " "));
}
