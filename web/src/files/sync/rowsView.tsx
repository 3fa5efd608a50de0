/** Rows of a plan, or of what became of it. Names are the customer's computer's: untrusted. */
import type { ComponentChildren } from "preact";
import { counted, language, t } from "../../i18n/text";
import { clean } from "../../text/clean";
import { formatBytes } from "../../text/format";
import { Icon, type IconType } from "../../ui/icon";

export interface Row {
  readonly key: string;
  /** As it came. */
  readonly path: string;
  readonly icon: IconType;
  readonly note: string;
  readonly size: number | null;
}

/** Drawn at once: more are reached by the filter. */
const MAX_ROWS = 200;

export function Rows<T extends Row>({
  label,
  rows,
  children,
}: {
  label: string;
  rows: readonly T[];
  /** What stands at a row's end. */
  children?: ((row: T) => ComponentChildren) | undefined;
}) {
  return (
    <>
      <table class="sync-rows" aria-label={label}>
        <thead class="unseen">
          <tr>
            <th scope="col">{t("column_name")}</th>
            <th scope="col">{t("column_size")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MAX_ROWS).map((row) => (
            <tr key={row.key}>
              <td>
                <span class="file-name">
                  <Icon as={row.icon} size={18} />
                  <span>
                    {clean(row.path, 1000)}
                    {row.note !== "" && <span class="hint sync-note">{row.note}</span>}
                  </span>
                </span>
              </td>
              <td class="tabular">{children === undefined ? row.size !== null && formatBytes(row.size, language.value) : children(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MAX_ROWS && <p class="hint">{counted("sync_more", rows.length - MAX_ROWS)}</p>}
    </>
  );
}
