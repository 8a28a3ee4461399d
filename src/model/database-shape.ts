/** The tables of one database and what they hold. */
export type DatabaseShape = Readonly<Record<string, ShapedTable>>;

/** One table. */
interface ShapedTable {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ShapedColumn>>;
}

/** One column: its type as the database names it, and how many rows have a value in it. */
interface ShapedColumn {
  readonly type: string;
  readonly values: number;
}
