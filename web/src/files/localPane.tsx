/** The technician's own computer: a folder that they open for this page, or files that they choose and drop. */
import { useSignal, type Signal } from "@preact/signals";
import { FolderInput, FolderOpen, FolderPlus, HardDriveUpload, RefreshCw, Trash2, Upload } from "lucide-preact";
import { useRef } from "preact/hooks";
import { counted, t } from "../i18n/text";
import { Asking } from "../ui/asking";
import { Button } from "../ui/buttons";
import { Face } from "../ui/faces";
import { FileTable } from "./fileTable";
import type { LocalFolder } from "./localFolder";
import { canOpenFolders, sourcesOfFiles, type Source } from "./localFiles";
import { NameDialog, Pane, Way } from "./paneFrame";
import { BarButton, LOCAL_DRAG, REMOTE_DRAG } from "./remotePane";
import type { FileRow } from "./rows";

interface LocalPaneProps {
  folder: LocalFolder;
  chosen: Signal<ReadonlySet<string>>;
  /** Sends what is chosen in the opened folder. */
  onSend: () => void;
  /** Sends files that were chosen in the browser's own dialog. */
  onSendFiles: (sources: readonly Source[]) => void;
  onDropped: (transfer: DataTransfer) => void;
}

export function LocalPane({ folder, chosen, onSend, onSendFiles, onDropped }: LocalPaneProps) {
  const asked = useSignal<"make" | "delete" | null>(null);
  const way = folder.way.value;
  const isOpen = way.length > 0;
  const open = (row: FileRow): void => {
    if (row.kind !== "folder") return;
    chosen.value = new Set();
    void folder.enter(row.key);
  };
  const key = (name: string): boolean => {
    if (name === "Delete" && chosen.value.size > 0) asked.value = "delete";
    else if (name === "Backspace" && way.length > 1) void folder.backTo(way.length - 2);
    else return false;
    return true;
  };
  return (
    <Pane
      title={t("pane_local")}
      accepts={{ type: REMOTE_DRAG, takesFiles: false }}
      onDrop={onDropped}
      isLoading={folder.isLoading.value}
      fault={folder.fault.value}
    >
      <div class="pane-bar">
        {canOpenFolders && (
          <Button icon={FolderOpen} onPress={() => void folder.choose()}>
            {t(isOpen ? "open_other_folder" : "open_folder")}
          </Button>
        )}
        <ChosenFiles word={t("send_files")} icon={Upload} isFolder={false} onSend={onSendFiles} />
        <ChosenFiles word={t("send_folder")} icon={FolderInput} isFolder onSend={onSendFiles} />
        {isOpen && (
          <>
            <BarButton icon={RefreshCw} label={t("refresh")} onPress={() => void folder.refresh()} />
            <BarButton icon={FolderPlus} label={t("new_folder")} onPress={() => (asked.value = "make")} />
          </>
        )}
      </div>
      {isOpen ? (
        <>
          <Way
            steps={way.map((handle, depth) => ({ name: handle.name || t("pane_local"), onPress: () => void folder.backTo(depth) }))}
          />
          <div class="pane-list">
            <FileTable
              label={t("pane_local")}
              rows={folder.rows.value}
              chosen={chosen}
              dragType={LOCAL_DRAG}
              onOpen={open}
              onKey={key}
            />
            {folder.rows.value.length === 0 && !folder.isLoading.value && <p class="soft pane-empty">{t("folder_empty")}</p>}
          </div>
          <div class="pane-foot">
            <span class="hint">
              {chosen.value.size > 0 ? counted("chosen", chosen.value.size) : counted("entries", folder.rows.value.length)}
            </span>
            <Button kind="main" icon={HardDriveUpload} disabled={chosen.value.size === 0} onPress={onSend}>
              {t("send_chosen")}
            </Button>
            <BarButton icon={Trash2} label={t("delete")} disabled={chosen.value.size === 0} onPress={() => (asked.value = "delete")} />
          </div>
        </>
      ) : (
        <Face icon={FolderOpen} title={t("local_closed")} heading="h3">
          <p>{t(canOpenFolders ? "local_closed_hint" : "local_no_folders")}</p>
        </Face>
      )}
      {asked.value === "make" && (
        <NameDialog title={t("new_folder")} onName={(name) => folder.make(name)} onClose={() => (asked.value = null)} />
      )}
      {asked.value === "delete" && (
        <Asking
          title={counted("delete_title", chosen.value.size)}
          confirm={t("delete_final")}
          isDangerous
          onConfirm={async () => {
            const keys = chosen.value;
            chosen.value = new Set();
            await folder.delete(keys);
          }}
          onClose={() => (asked.value = null)}
        >
          <p>{t("local_delete_hint")}</p>
        </Asking>
      )}
    </Pane>
  );
}

/** A button with the browser's own dialog for files, or for a folder, behind it. */
export function ChosenFiles({
  word,
  icon,
  isFolder,
  onSend,
}: {
  word: string;
  icon: typeof Upload;
  isFolder: boolean;
  onSend: (sources: readonly Source[]) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button icon={icon} onPress={() => input.current?.click()}>
        {word}
      </Button>
      <input
        ref={(element) => {
          input.current = element;
          if (element !== null) element.webkitdirectory = isFolder;
        }}
        type="file"
        multiple
        hidden
        aria-label={word}
        onChange={(event) => {
          const sources = sourcesOfFiles(event.currentTarget.files ?? []);
          if (sources.length > 0) onSend(sources);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
