/** A list of the computer: sorted by any column, filtered, saved to a file. Only some hundred rows are drawn at a time. */
import { useSignal } from "@preact/signals";
import { ArrowDown, ArrowUp, FileDown } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { counted, language, t, type PlainKey } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/icon";
import { csvOf } from "./rows";

export interface Column<T> {
  readonly word: PlainKey;
  /** What it is sorted and filtered by, and saved as. */
  readonly value: (item: T) => string | number | null;
  /** How it is shown, if not as its value. */
  readonly show?: (item: T) => ComponentChildren;
}

interface DataTableProps<T> {
  label: string;
  /** Of the file that is saved, without its ending. */
  name: string;
  columns: readonly Column<T>[];
  items: readonly T[];
  keyOf: (item: T, index: number) => string | number;
  /** The column that it is sorted by at first; -1 for the order given. */
  sortedBy?: number;
  isDescending?: boolean;
  /** Buttons of a row. */
  actions?: (item: T) => ComponentChildren;
  /** Further controls beside the filter. */
  bar?: ComponentChildren;
  /** What is said where there are no items at all. */
  none?: string;
}

const STEP = 300;

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, name, columns, items, keyOf, actions, bar } = props;
  const sorting = useSignal({ column: props.sortedBy ?? 0, isDescending: props.isDescending ?? false });
  const filter = useSignal("");
  const limit = useSignal(STEP);
  const { column: by, isDescending } = sorting.value;
  const found = useMemo(() => {
    const wanted = filter.value.trim().toLocaleLowerCase();
    const kept =
      wanted === ""
        ? items
        : items.filter((item) => columns.some(({ value }) => String(value(item) ?? "").toLocaleLowerCase().includes(wanted)));
    const column = columns[by];
    if (column === undefined) return kept;
    const collator = new Intl.Collator(language.value, { numeric: true, sensitivity: "base" });
    const compare = (a: string | number | null, b: string | number | null): number =>
      typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a ?? ""), String(b ?? ""));
    const sign = isDescending ? -1 : 1;
    // Each value is made once: reading one of the host's texts costs more than comparing it.
    const keyed = kept.map((item) => ({ item, value: column.value(item) }));
    return keyed.sort((a, b) => sign * compare(a.value, b.value)).map(({ item }) => item);
  }, [items, filter.value, by, isDescending, language.value]);
  const save = (): void => {
    const head = columns.map(({ word }) => t(word));
    const text = csvOf(head, found.map((item) => columns.map(({ value }) => value(item))));
    const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };
  return (
    <div class="data">
      <div class="data-bar">
        <input
          type="search"
          aria-label={t("filter_list")}
          placeholder={t("filter_list")}
          value={filter.value}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
            limit.value = STEP;
          }}
        />
        {bar}
        <span class="hint" role="status">
          {counted("entries", found.length)}
        </span>
        <Button icon={FileDown} disabled={found.length === 0} onPress={save}>
          {t("save_csv")}
        </Button>
      </div>
      <div class="data-scroll" tabIndex={0} role="region" aria-label={label}>
        <table class="data-table" aria-label={label}>
          <thead>
            <tr>
              {columns.map(({ word }, index) => (
                <th
                  key={word}
                  scope="col"
                  aria-sort={index === by ? (isDescending ? "descending" : "ascending") : "none"}
                >
                  <button
                    type="button"
                    class="sort-head"
                    onClick={() => (sorting.value = { column: index, isDescending: index === by && !isDescending })}
                  >
                    {t(word)}
                    {index === by && <Icon as={isDescending ? ArrowDown : ArrowUp} size={14} />}
                  </button>
                </th>
              ))}
              {actions && <th scope="col">{t("column_actions")}</th>}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, limit.value).map((item, index) => (
              <tr key={keyOf(item, index)}>
                {columns.map(({ word, value, show }) => (
                  <td key={word} class={typeof value(item) === "number" ? "tabular number" : undefined}>
                    {show ? show(item) : value(item)}
                  </td>
                ))}
                {actions && <td class="data-actions">{actions(item)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
        {found.length === 0 && <p class="soft data-none">{items.length === 0 ? (props.none ?? t("data_empty")) : t("data_no_match")}</p>}
      </div>
      {found.length > limit.value && (
        <p class="row">
          <Button kind="quiet" onPress={() => (limit.value += STEP)}>
            {t("show_more")}
          </Button>
          <span class="hint">{counted("rows_left", found.length - limit.value)}</span>
        </p>
      )}
    </div>
  );
}
