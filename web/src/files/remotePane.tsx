/** The customer's computer: its folders, and what can be done with what is in them. */
import { useSignal, type Signal } from "@preact/signals";
import {
  ArrowLeft,
  ClipboardPaste,
  CornerLeftUp,
  Copy,
  Eye,
  EyeOff,
  FolderPlus,
  HardDriveDownload,
  Pencil,
  RefreshCw,
  Scissors,
  Search,
  Sigma,
  Trash2,
} from "lucide-preact";
import { useRef } from "preact/hooks";
import { counted, language, t } from "../i18n/text";
import { RequestRefused } from "../tools/requests";
import { clean } from "../text/clean";
import { formatBytes } from "../text/format";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";
import { Loading, Notice } from "../ui/faces";
import { Icon, type IconType } from "../ui/icon";
import type { Entry, Root, Totals } from "./client";
import { FileTable } from "./fileTable";
import { sentenceOfProblem } from "./jobs";
import { NameDialog, Pane, Way } from "./paneFrame";
import { isWithin, joinPath, keyOf, nameOf, parentOf, shownName, shownPath, stepsTo, type Name } from "./paths";
import type { RemoteFolder } from "./remoteFolder";
import type { FileRow } from "./rows";
import type { Wanted } from "./works";

export const REMOTE_DRAG = "application/x-adhoc-remote";
export const LOCAL_DRAG = "application/x-adhoc-local";

type Asked =
  | { readonly kind: "make" }
  | { readonly kind: "rename"; readonly wanted: Wanted }
  | { readonly kind: "delete"; readonly wanted: readonly Wanted[] }
  | { readonly kind: "measure"; readonly wanted: readonly Wanted[] }
  | null;

interface RemotePaneProps {
  folder: RemoteFolder;
  chosen: Signal<ReadonlySet<string>>;
  isConnected: boolean;
  /** What is fetched goes to a folder that is open here, or to the browser's downloads. */
  fetchWord: string;
  onFetch: (wanted: readonly Wanted[]) => void;
  onDropped: (transfer: DataTransfer, isFromOutside: boolean) => void;
}

export function RemotePane({ folder, chosen, isConnected, fetchWord, onFetch, onDropped }: RemotePaneProps) {
  const asked = useSignal<Asked>(null);
  const problem = useSignal<string | null>(null);
  /** What was cut or copied, to be pasted. */
  const taken = useSignal<{ readonly wanted: readonly Wanted[]; readonly isCut: boolean } | null>(null);
  const path = folder.path.value;
  const wanted = [...chosen.value].map((key) => folder.find(key)).filter((found): found is Wanted => found !== null);
  const open = (to: Name): void => {
    chosen.value = new Set();
    problem.value = null;
    void folder.open(to);
  };
  /** Does something to each; what fails is told, the rest goes on. */
  const each = async (things: readonly Wanted[], work: (wanted: Wanted) => Promise<void>): Promise<void> => {
    problem.value = null;
    for (const one of things) {
      try {
        await work(one);
      } catch (error) {
        problem.value = `${shownName(one.entry.name)}: ${t(sentenceOfProblem(error))}`;
        if (!(error instanceof RequestRefused)) return;
      }
    }
  };
  const enter = (row: FileRow): void => {
    const found = folder.find(row.key);
    if (found === null) return;
    if (found.entry.kind === "folder" || found.entry.kind === "link") open(found.path);
    else onFetch([found]);
  };
  const paste = (): void => {
    const from = taken.value;
    if (from === null || path === null) return;
    if (from.isCut) taken.value = null;
    void each(from.wanted, (one) =>
      folder.act((client) => {
        const to = joinPath(path, one.entry.name);
        return from.isCut ? client.move(one.path, to, false) : client.copy(one.path, to, false);
      }),
    );
  };
  const up = path === null ? null : upFrom(path, folder.roots.value, folder.isLimited.value);
  const key = (name: string): boolean => {
    const [one] = wanted;
    if (name === "Delete" && wanted.length > 0) asked.value = { kind: "delete", wanted };
    else if (name === "F2" && one !== undefined && wanted.length === 1) asked.value = { kind: "rename", wanted: one };
    else if (name === "Backspace" && up !== null) open(up);
    else return false;
    return true;
  };
  const [first] = wanted;
  return (
    <Pane
      title={t("pane_remote")}
      accepts={{ type: LOCAL_DRAG, takesFiles: true }}
      onDrop={onDropped}
      isLoading={folder.isLoading.value}
      fault={folder.fault.value}
    >
      {folder.isLimited.value && <Notice kind="info">{t("files_limited")}</Notice>}
      {problem.value !== null && (
        <Notice kind="bad" live>
          {problem.value}
        </Notice>
      )}
      <div class="pane-bar">
        <RootChoice folder={folder} onOpen={open} />
        <BarButton icon={CornerLeftUp} label={t("folder_up")} disabled={up === null} onPress={() => up !== null && open(up)} />
        <BarButton icon={RefreshCw} label={t("refresh")} disabled={!isConnected} onPress={() => void folder.refresh()} />
        <BarButton
          icon={folder.showsHidden.value ? EyeOff : Eye}
          label={t("show_hidden")}
          isPressed={folder.showsHidden.value}
          onPress={() => {
            folder.showsHidden.value = !folder.showsHidden.value;
            void folder.refresh();
          }}
        />
        <BarButton icon={FolderPlus} label={t("new_folder")} disabled={!isConnected || path === null} onPress={() => (asked.value = { kind: "make" })} />
        <SearchField folder={folder} />
      </div>
      {path !== null && <Way steps={stepsTo(path).map((step) => ({ name: step.name, onPress: () => open(step.path) }))} />}
      {folder.pattern.value !== "" && (
        <p class="search-told">
          <Button kind="quiet" icon={ArrowLeft} onPress={() => void folder.search("")}>
            {t("search_leave")}
          </Button>
          <span>{t("search_told", { pattern: shownName(folder.pattern.value) })}</span>
        </p>
      )}
      <div class="pane-list">
        <FileTable
          label={t("pane_remote")}
          rows={folder.rows.value}
          chosen={chosen}
          dragType={REMOTE_DRAG}
          onOpen={enter}
          onKey={key}
        />
        {folder.rows.value.length === 0 && !folder.isLoading.value && folder.fault.value === null && path !== null && (
          <p class="soft pane-empty">{t(folder.pattern.value === "" ? "folder_empty" : "search_nothing")}</p>
        )}
      </div>
      <div class="pane-foot">
        <span class="hint">{wanted.length > 0 ? counted("chosen", wanted.length) : counted("entries", folder.rows.value.length)}</span>
        <Button kind="main" icon={HardDriveDownload} disabled={wanted.length === 0} onPress={() => onFetch(wanted)}>
          {fetchWord}
        </Button>
        <BarButton icon={Pencil} label={t("rename")} disabled={!isConnected || wanted.length !== 1} onPress={() => first && (asked.value = { kind: "rename", wanted: first })} />
        <BarButton icon={Scissors} label={t("cut")} disabled={wanted.length === 0} onPress={() => (taken.value = { wanted, isCut: true })} />
        <BarButton icon={Copy} label={t("copy_files")} disabled={wanted.length === 0} onPress={() => (taken.value = { wanted, isCut: false })} />
        <BarButton icon={ClipboardPaste} label={t("paste")} disabled={!isConnected || taken.value === null} onPress={paste} />
        <BarButton icon={Sigma} label={t("measure")} disabled={!isConnected || wanted.length === 0} onPress={() => (asked.value = { kind: "measure", wanted })} />
        <BarButton icon={Trash2} label={t("delete")} disabled={!isConnected || wanted.length === 0} onPress={() => (asked.value = { kind: "delete", wanted })} />
      </div>
      {asked.value?.kind === "make" && path !== null && (
        <NameDialog
          title={t("new_folder")}
          onName={(name) => each([{ path, entry: { name } as Entry }], () => folder.act((client) => client.make(joinPath(path, name))))}
          onClose={() => (asked.value = null)}
        />
      )}
      {asked.value?.kind === "rename" && <Rename wanted={asked.value.wanted} folder={folder} each={each} onClose={() => (asked.value = null)} />}
      {asked.value?.kind === "delete" && (
        <DeleteDialog
          wanted={asked.value.wanted}
          onDelete={(things, isFinal) => {
            chosen.value = new Set();
            void each(things, (one) => folder.act((client) => client.delete(one.path, isFinal)));
          }}
          onClose={() => (asked.value = null)}
        />
      )}
      {asked.value?.kind === "measure" && <MeasureDialog wanted={asked.value.wanted} folder={folder} onClose={() => (asked.value = null)} />}
    </Pane>
  );
}

/** The folder above, as far as the customer allowed. */
function upFrom(path: Name, roots: readonly Root[], isLimited: boolean): Name | null {
  const above = parentOf(path);
  if (above === null || !isLimited) return above;
  return roots.some((root) => isWithin(above, root.path)) ? above : null;
}

function RootChoice({ folder, onOpen }: { folder: RemoteFolder; onOpen: (path: Name) => void }) {
  const roots = folder.roots.value;
  const path = folder.path.value;
  const current = path === null ? -1 : roots.findIndex((root) => keyOf(root.path) === keyOf(path));
  const nameOfRoot = (root: Root): string => {
    const space = root.free === null ? "" : ` (${t("space_free", { size: formatBytes(root.free, language.value) })})`;
    if (root.kind === "home") return `${t("root_home")}${space}`;
    if (root.kind === "root") return `${t("root_whole")}${space}`;
    const drive = /^\/([A-Z]:)$/.exec(shownPath(root.path))?.[1]; // of Windows
    return `${clean([drive ?? shownPath(root.path), root.name].filter(Boolean).join(" "), 300)}${space}`;
  };
  return (
    <select
      class="root-choice"
      aria-label={t("root_choice")}
      value={String(current)}
      onChange={(event) => {
        const root = roots[Number(event.currentTarget.value)];
        if (root !== undefined) onOpen(root.path);
      }}
    >
      {current < 0 && <option value="-1">{t("root_elsewhere")}</option>}
      {roots.map((root, index) => (
        <option key={index} value={String(index)}>
          {nameOfRoot(root)}
        </option>
      ))}
    </select>
  );
}

function SearchField({ folder }: { folder: RemoteFolder }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <form
      class="pane-search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        void folder.search(field.current?.value ?? "");
      }}
    >
      <input ref={field} type="search" aria-label={t("search_here")} placeholder={t("search_here")} maxLength={200} />
      <button type="submit" class="tool" aria-label={t("search")} title={t("search")}>
        <Icon as={Search} size={18} />
      </button>
    </form>
  );
}

function Rename({
  wanted,
  folder,
  each,
  onClose,
}: {
  wanted: Wanted;
  folder: RemoteFolder;
  each: (things: readonly Wanted[], work: (wanted: Wanted) => Promise<void>) => Promise<void>;
  onClose: () => void;
}) {
  const above = parentOf(wanted.path) ?? "/";
  return (
    <NameDialog
      title={t("rename_title", { name: shownName(nameOf(wanted.path)) })}
      name={shownName(wanted.entry.name)}
      onName={(name) => each([wanted], (one) => folder.act((client) => client.move(one.path, joinPath(above, name), false)))}
      onClose={onClose}
    />
  );
}

/** Into the trash; for good only when that is said. */
function DeleteDialog({
  wanted,
  onDelete,
  onClose,
}: {
  wanted: readonly Wanted[];
  onDelete: (wanted: readonly Wanted[], isFinal: boolean) => void;
  onClose: () => void;
}) {
  const done = (isFinal: boolean): void => {
    onDelete(wanted, isFinal);
    onClose();
  };
  return (
    <Dialog title={counted("delete_title", wanted.length)} onClose={onClose}>
      <ul class="delete-names">
        {wanted.slice(0, 10).map((one) => (
          <li key={keyOf(one.path)}>{shownName(one.entry.name)}</li>
        ))}
        {wanted.length > 10 && <li class="soft">{counted("rows_more", wanted.length - 10)}</li>}
      </ul>
      <p class="hint">{t("delete_hint")}</p>
      <div class="dialog-actions">
        <Button onPress={onClose}>{t("cancel")}</Button>
        <Button kind="danger" onPress={() => done(true)}>
          {t("delete_final")}
        </Button>
        <Button kind="main" icon={Trash2} onPress={() => done(false)}>
          {t("delete_trash")}
        </Button>
      </div>
    </Dialog>
  );
}

/** Size of files and folders, counted on the computer while the dialog is open. */
function MeasureDialog({ wanted, folder, onClose }: { wanted: readonly Wanted[]; folder: RemoteFolder; onClose: () => void }) {
  const totals = useSignal<Totals | string | null>(null);
  const stop = useRef<AbortController | null>(null);
  if (stop.current === null) {
    const { signal } = (stop.current = new AbortController());
    void (async () => {
      try {
        let sum: Totals = { size: 0, files: 0, folders: 0 };
        for (const { path, entry } of wanted) {
          const one = entry.kind === "folder" ? await folder.measure(path, signal) : { size: entry.size, files: 1, folders: 0 };
          const own = entry.kind === "folder" ? 1 : 0;
          sum = { size: sum.size + one.size, files: sum.files + one.files, folders: sum.folders + one.folders + own };
        }
        totals.value = sum;
      } catch (error) {
        totals.value = t(sentenceOfProblem(error));
      }
    })();
  }
  const close = (): void => {
    stop.current?.abort();
    onClose();
  };
  const told = totals.value;
  return (
    <Dialog title={t("measure")} onClose={close}>
      {told === null ? (
        <Loading />
      ) : typeof told === "string" ? (
        <Notice kind="bad">{told}</Notice>
      ) : (
        <p>
          <strong>{formatBytes(told.size, language.value)}</strong> · {counted("files", told.files)} · {counted("folders", told.folders)}
        </p>
      )}
      <div class="dialog-actions">
        <Button kind="main" onPress={close}>
          {t("close")}
        </Button>
      </div>
    </Dialog>
  );
}

/** A button of a pane's bar: an icon with its word for those who do not see it. */
export function BarButton({
  icon,
  label,
  disabled = false,
  isPressed,
  onPress,
}: {
  icon: IconType;
  label: string;
  disabled?: boolean;
  isPressed?: boolean;
  onPress: () => void;
}) {
  return (
    <button type="button" class="tool" title={label} aria-label={label} aria-pressed={isPressed} disabled={disabled} onClick={onPress}>
      <Icon as={icon} size={18} />
    </button>
  );
}
