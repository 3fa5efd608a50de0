/** What both panes share: a frame that takes what is dropped, the way to the folder, and a question for a name. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { t, type PlainKey } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";
import { Loading, Notice } from "../ui/faces";
import { TextField } from "../ui/textField";

interface PaneProps {
  title: string;
  /** What can be dropped here: data of this type, and files from outside where they are wanted. */
  accepts: { readonly type: string; readonly takesFiles: boolean };
  onDrop: (transfer: DataTransfer, isFromOutside: boolean) => void;
  isLoading: boolean;
  fault: PlainKey | null;
  children: ComponentChildren;
}

export function Pane({ title, accepts, onDrop, isLoading, fault, children }: PaneProps) {
  const isOver = useSignal(false);
  const takes = (transfer: DataTransfer | null): boolean =>
    transfer !== null &&
    (transfer.types.includes(accepts.type) || (accepts.takesFiles && transfer.types.includes("Files")));
  return (
    <section
      class={isOver.value ? "pane drop-here" : "pane"}
      aria-label={title}
      onDragOver={(event) => {
        if (!takes(event.dataTransfer)) return;
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) isOver.value = false;
      }}
      onDrop={(event) => {
        isOver.value = false;
        if (event.dataTransfer === null || !takes(event.dataTransfer)) return;
        event.preventDefault();
        onDrop(event.dataTransfer, event.dataTransfer.types.includes("Files"));
      }}
    >
      <div class="pane-head">
        <h2>{title}</h2>
        {isLoading && <Loading />}
      </div>
      {fault !== null && (
        <Notice kind="bad" live>
          {t(fault)}
        </Notice>
      )}
      {children}
    </section>
  );
}

/** The folders on the way, each to go back to. */
export function Way({ steps }: { steps: readonly { readonly name: string; readonly onPress: () => void }[] }) {
  return (
    <nav class="way" aria-label={t("way")}>
      <ol>
        {steps.map(({ name, onPress }, index) => (
          <li key={index}>
            <button
              type="button"
              class="way-step"
              aria-current={index === steps.length - 1 ? "location" : undefined}
              onClick={onPress}
            >
              {name}
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}

/** Asks for a name; closes by itself when `onName` is done. */
export function NameDialog({
  title,
  name = "",
  onName,
  onClose,
}: {
  title: string;
  name?: string;
  onName: (name: string) => Promise<void>;
  onClose: () => void;
}) {
  const value = useSignal(name);
  const error = useSignal<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const send = (event: Event): void => {
    event.preventDefault();
    const wanted = value.value.trim();
    if (wanted === "" || wanted === "." || wanted === ".." || /[/\0]/.test(wanted)) {
      error.value = t("name_wrong");
      field.current?.focus();
      return;
    }
    void onName(wanted).then(onClose);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="stack" onSubmit={send}>
        <TextField label={t("column_name")} value={value} error={error.value} maxLength={255} inputRef={field} />
        <div class="dialog-actions">
          <Button onPress={onClose}>{t("cancel")}</Button>
          <Button kind="main" type="submit">
            {t("ok")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

