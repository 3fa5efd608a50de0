/** The Dashboard's requests (docs/protocol.md §9). What the host says is untrusted: rows are read field by field. */
import { MessageFields } from "../protocol/messages";
import type { Requests } from "../tools/requests";

/** A map of the host: read it through `words` and `figure`, which take what is there and invent nothing. */
export type Row = Readonly<Record<string, unknown>>;

/** Rows of one list that are kept; more is nothing that a person looks at. */
export const MAX_ROWS = 20_000;

/** All that is told of the system. */
export async function askSystem(requests: Requests): Promise<Row> {
  const answer = await requests.ask("system");
  return answer.head["ok"] as Row;
}

/** The rows of a list, for instance `processes`. @throws RequestRefused, StreamClosed. */
export async function askRows(requests: Requests, list: string, fields: Row = {}): Promise<Row[]> {
  const rows: Row[] = [];
  await requests.ask(list, fields, ({ head }) => {
    for (const row of new MessageFields(head).list("rows")) {
      MessageFields.of(row);
      if (rows.length < MAX_ROWS) rows.push(row as Row);
    }
  });
  return rows;
}
