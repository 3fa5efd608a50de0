/** A pane's list: sorted, chosen by pointer or keyboard, dragged to the other pane. */
import { useSignal, type Signal } from "@preact/signals";
import { ArrowDown, ArrowUp, File, FileQuestionMark, FileSymlink, Folder } from "lucide-preact";
import { useMemo, useRef } from "preact/hooks";
import { counted, language, t, type PlainKey } from "../i18n/text";
import { formatBytes, formatMoment } from "../text/format";
import { Icon, type IconType } from "../ui/icon";
import { MAX_SHOWN, choose, sorted, type FileRow, type SortColumn, type Sorting } from "./rows";

const ICONS: Readonly<Record<FileRow["kind"], IconType>> = {
  file: File,
  folder: Folder,
  link: FileSymlink,
  other: FileQuestionMark,
};
const KINDS: Readonly<Record<FileRow["kind"], PlainKey>> = {
  file: "kind_file",
  folder: "kind_folder",
  link: "kind_link",
  other: "kind_other",
};
const COLUMNS: readonly { readonly column: SortColumn; readonly word: PlainKey }[] = [
  { column: "name", word: "column_name" },
  { column: "size", word: "column_size" },
  { column: "modified", word: "column_modified" },
];

interface FileTableProps {
  label: string;
  rows: readonly FileRow[];
  chosen: Signal<ReadonlySet<string>>;
  /** What the drag's data are called: the other pane takes only those. */
  dragType: string;
  onOpen: (row: FileRow) => void;
  /** Keys that mean something to the pane: `Delete`, `F2`, `Backspace`, … */
  onKey: (key: string) => boolean;
}

export function FileTable({ label, rows, chosen, dragType, onOpen, onKey }: FileTableProps) {
  const sorting = useSignal<Sorting>({ column: "name", isDescending: false });
  const anchor = useRef<string | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const shown = useMemo(
    () => sorted(rows, sorting.value, language.value).slice(0, MAX_SHOWN),
    [rows, sorting.value, language.value],
  );
  /** The row that the Tab key reaches. */
  const reached = anchor.current !== null && shown.some(({ key }) => key === anchor.current) ? anchor.current : shown[0]?.key;

  const press = (row: FileRow, how: { isToggle: boolean; isRange: boolean }): void => {
    chosen.value = choose(shown, chosen.value, anchor.current, row.key, how);
    if (!how.isRange) anchor.current = row.key;
  };
  const go = (from: FileRow, step: number, isRange: boolean): void => {
    const at = shown.findIndex(({ key }) => key === from.key);
    const to = Math.max(0, Math.min(shown.length - 1, at + step));
    const row = shown[to];
    if (row === undefined) return;
    chosen.value = choose(shown, chosen.value, anchor.current, row.key, { isToggle: false, isRange });
    if (!isRange) anchor.current = row.key;
    body.current?.querySelectorAll("tr")[to]?.focus();
  };
  const keyed = (event: KeyboardEvent, row: FileRow): void => {
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -1e9, End: 1e9 };
    const step = steps[event.key];
    if (step !== undefined) go(row, step, event.shiftKey);
    else if (event.key === "Enter") onOpen(row);
    else if (event.key === " ") press(row, { isToggle: true, isRange: event.shiftKey });
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) chosen.value = new Set(shown.map(({ key }) => key));
    else if (event.ctrlKey || event.metaKey || event.altKey || !onKey(event.key)) return;
    event.preventDefault();
  };
  return (
    <>
      <table class="file-table" role="grid" aria-label={label} aria-multiselectable="true">
        <thead>
          <tr>
            {COLUMNS.map(({ column, word }) => (
              <SortHead key={column} column={column} word={word} sorting={sorting} />
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {shown.map((row) => {
            const isChosen = chosen.value.has(row.key);
            return (
              <tr
                key={row.key}
                class={isChosen ? "chosen" : undefined}
                aria-selected={isChosen}
                tabIndex={row.key === reached ? 0 : -1}
                title={row.owner || undefined}
                draggable
                onClick={(event) => press(row, { isToggle: event.ctrlKey || event.metaKey, isRange: event.shiftKey })}
                onDblClick={() => onOpen(row)}
                onKeyDown={(event) => keyed(event, row)}
                onDragStart={(event) => {
                  if (!chosen.value.has(row.key)) press(row, { isToggle: false, isRange: false });
                  event.dataTransfer?.setData(dragType, "");
                }}
              >
                <td>
                  <span class="file-name">
                    <input
                      type="checkbox"
                      tabIndex={-1}
                      aria-label={t("choose_row", { name: row.name })}
                      checked={isChosen}
                      onClick={(event) => {
                        event.stopPropagation();
                        press(row, { isToggle: true, isRange: event.shiftKey });
                      }}
                    />
                    <Icon as={ICONS[row.kind]} size={18} />
                    <span class="unseen">{t(KINDS[row.kind])}: </span>
                    {row.kind === "folder" ? (
                      <button
                        type="button"
                        class="file-open"
                        tabIndex={-1}
                        onClick={(event) => {
                          event.stopPropagation();
                          onOpen(row);
                        }}
                      >
                        {row.name}
                      </button>
                    ) : (
                      <span>{row.name}</span>
                    )}
                    {row.note !== "" && <span class="soft">{row.note}</span>}
                  </span>
                </td>
                <td class="tabular">{row.size === null ? "" : formatBytes(row.size, language.value)}</td>
                <td class="tabular">
                  {row.modified === null ? "" : formatMoment(new Date(row.modified).toISOString(), language.value)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows.length > shown.length && <p class="hint file-more">{counted("rows_more", rows.length - shown.length)}</p>}
    </>
  );
}

function SortHead({ column, word, sorting }: { column: SortColumn; word: PlainKey; sorting: Signal<Sorting> }) {
  const { column: by, isDescending } = sorting.value;
  const isSorted = by === column;
  return (
    <th scope="col" aria-sort={isSorted ? (isDescending ? "descending" : "ascending") : "none"}>
      <button
        type="button"
        class="sort-head"
        onClick={() => (sorting.value = { column, isDescending: isSorted && !isDescending })}
      >
        {t(word)}
        {isSorted && <Icon as={isDescending ? ArrowDown : ArrowUp} size={14} />}
      </button>
    </th>
  );
}
