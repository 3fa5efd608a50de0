/** A shell on the customer's computer, in xterm.js (docs/protocol.md §11). */
import { useSignal } from "@preact/signals";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal, type ITheme } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { RotateCw, SquareTerminal } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import "../styles/shell.css";
import type { Me } from "../api/types";
import { t } from "../i18n/text";
import type { OpenTool } from "../tools/connection";
import { ToolPage } from "../tools/toolPage";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { Button } from "../ui/buttons";
import { Notice } from "../ui/faces";
import { MarkupStyles } from "./markupStyles";
import { RemoteShell } from "./remoteShell";

export function ShellPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  return (
    <ToolPage me={me} sessionId={sessionId} tool="shell" word="terminal" icon={SquareTerminal} onSignedOut={onSignedOut}>
      {(opened) => <Shell opened={opened} />}
    </ToolPage>
  );
}

/** Lines that can be scrolled back to. */
const SCROLLBACK = 10_000;
/** Letters that are kept for a shell that is being opened: more than anybody types ahead. */
const MAX_TYPED_AHEAD = 4096;

function Shell({ opened }: { opened: OpenTool | null }) {
  const place = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);
  const shell = useRef<RemoteShell | null>(null);
  /** What was typed while the next shell was being opened; null after one has ended, when nobody hears. */
  const typedAhead = useRef<string | null>("");
  /** How the last shell ended: its status, or null for a cut connection; undefined while one runs. */
  const ended = useSignal<number | null | undefined>(undefined);

  const begin = (channel: SealedChannel): void => {
    const shown = terminal.current;
    if (shown === null) return;
    ended.value = undefined;
    const remote = new RemoteShell(channel, { columns: shown.cols, rows: shown.rows });
    shell.current = remote;
    if (typedAhead.current !== null && typedAhead.current !== "") void remote.type(typedAhead.current);
    typedAhead.current = null;
    // What is written is drawn before more is taken: a flood waits on the computer, not in the page.
    void remote
      .run((output) => new Promise((resolve) => shown.write(output, resolve)))
      .then((status) => {
        if (shell.current !== remote) return;
        shell.current = null;
        ended.value = status;
      });
    shown.focus();
  };

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const styles = new MarkupStyles();
    const made = new Terminal({
      scrollback: SCROLLBACK,
      fontSize: 14,
      fontFamily: getComputedStyle(element).getPropertyValue("--mono"),
      theme: themeOf(element),
      screenReaderMode: true,
      allowProposedApi: false,
    });
    const fit = new FitAddon();
    made.loadAddon(fit);
    styles.opening(() => made.open(element));
    fit.fit();
    terminal.current = made;
    made.onData((typed) => {
      if (shell.current !== null) void shell.current.type(typed);
      else if (typedAhead.current !== null) typedAhead.current = (typedAhead.current + typed).slice(0, MAX_TYPED_AHEAD);
    });
    made.onBinary((typed) => void shell.current?.typeBytes(Uint8Array.from(typed, (letter) => letter.charCodeAt(0))));
    made.onResize(({ cols, rows }) => void shell.current?.resize({ columns: cols, rows }));
    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.dispose();
      styles.remove();
      terminal.current = null;
    };
  }, []);
  useEffect(() => {
    if (opened !== null) begin(opened.channel);
  }, [opened]);
  const again = (): void => {
    typedAhead.current = "";
    terminal.current?.reset();
    terminal.current?.focus();
    void opened?.openStream("shell").then(begin, () => {
      typedAhead.current = null;
      ended.value = null;
    });
  };
  return (
    <div class="shell">
      {ended.value !== undefined && opened !== null && (
        <Notice kind="info" live>
          <p>{ended.value === null ? t("shell_cut") : t("shell_exited", { status: ended.value })}</p>
          <Button icon={RotateCw} onPress={again}>
            {t("shell_again")}
          </Button>
        </Notice>
      )}
      <div class="shell-place" ref={place} role="application" aria-label={t("terminal")} />
    </div>
  );
}

function themeOf(element: HTMLElement): ITheme {
  const style = getComputedStyle(element);
  return {
    background: style.getPropertyValue("--shell-page").trim(),
    foreground: style.getPropertyValue("--shell-text").trim(),
    cursor: style.getPropertyValue("--shell-text").trim(),
  };
}
