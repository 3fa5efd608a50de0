import type { ComponentChildren } from "preact";
import { t, type PlainKey } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";

/** Whether keys belong to what is being typed, to a dialog, or to the browser. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target instanceof Element ? event.target : null;
  return (
    event.ctrlKey || event.altKey || event.metaKey || target?.closest("input, select, textarea, dialog, canvas") != null
  );
}

const SUPPORT: readonly [string, PlainKey][] = [
  ["?", "shortcut_help"],
  ["p", "shortcut_prepare"],
  ["s", "shortcut_sessions"],
  ["j", "shortcut_next"],
  ["k", "shortcut_previous"],
  ["/", "shortcut_search"],
  ["c", "shortcut_code"],
];

const VIEWER: readonly [string, PlainKey][] = [
  ["T", "shortcut_toolbar"],
  ["S", "shortcut_fit"],
  ["F", "shortcut_full"],
  ["D", "shortcut_cad"],
  ["C", "shortcut_chat"],
  ["R", "shortcut_reconnect"],
  ["H", "shortcut_help"],
];

/** The list behind `?`. */
export function ShortcutDialog({ page, onClose }: { page: "support" | "viewer"; onClose: () => void }) {
  const row = (keys: ComponentChildren, key: PlainKey) => (
    <>
      <dt>{keys}</dt>
      <dd>{t(key)}</dd>
    </>
  );
  return (
    <Dialog title={t("shortcuts")} onClose={onClose}>
      {page === "viewer" && <p class="soft">{t("shortcuts_viewer_hint")}</p>}
      <dl class="shortcut-list">
        {page === "support"
          ? SUPPORT.map(([key, meaning]) => row(<kbd>{key}</kbd>, meaning))
          : VIEWER.map(([key, meaning]) =>
              row(
                <>
                  <kbd>Ctrl</kbd> <kbd>Alt</kbd> <kbd>Shift</kbd> <kbd>{key}</kbd>
                </>,
                meaning,
              ),
            )}
      </dl>
      <div class="dialog-actions">
        <Button kind="main" onPress={onClose}>
          {t("close")}
        </Button>
      </div>
    </Dialog>
  );
}
