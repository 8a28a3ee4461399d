/** Why an operation failed. */
export interface Reason {
  readonly class: string;
  readonly message: string;
  /** The decisive log line, or the tail of a tool's stderr. */
  readonly evidence?: string;
  /** What the user can do. */
  readonly hint?: string;
}
