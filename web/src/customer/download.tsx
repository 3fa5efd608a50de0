/**
 * The button: fetches the program, compares it with the SHA-256 that the page shows, writes the link into it, and saves it.
 * Where a page may not do that (no encrypted way to the relay), the program is saved as it is and the link is copied.
 */
import { useSignal } from "@preact/signals";
import { Download as DownloadIcon, RotateCcw } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import type { HostFile, Target } from "../api/types";
import { language, type PlainKey, t } from "../i18n/text";
import type { Bytes } from "../protocol/bytes";
import { LinkError } from "../protocol/links";
import { formatSize } from "../text/format";
import { Button, CopyButton } from "../ui/buttons";
import { Loading, Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { CannotFetch, type FetchFault, fetchHost } from "./fetching";
import { addLink, canAddLink, saveFile } from "./saving";

type State =
  | { readonly kind: "ready" | "checking" | "saved" | "no_place" }
  | { readonly kind: "fetching"; readonly received: number; readonly isAgain: boolean }
  | { readonly kind: "failed"; readonly fault: FetchFault };

export const SYSTEM_NAMES: Readonly<Record<Target, PlainKey>> = {
  windows: "customer_for_windows",
  linux: "customer_for_linux",
  python: "customer_for_python",
};

const FAULTS: Readonly<Record<FetchFault, PlainKey>> = {
  broken: "customer_fetch_broken",
  damaged: "customer_fetch_damaged",
  gone: "customer_fetch_gone",
};

/** Milliseconds between two drawings of the progress. */
const DRAWING_INTERVAL = 100;

interface DownloadProps {
  readonly host: HostFile;
  readonly invite: string;
  readonly link: string;
  /** The one button of the page; else one of several smaller ones, which name their system. */
  readonly isMain?: boolean;
  /** The file was saved. */
  readonly onSaved?: () => void;
}

export function Download({ host, invite, link, isMain = false, onSaved }: DownloadProps) {
  const state = useSignal<State>(canAddLink() ? { kind: "ready" } : { kind: "no_place" });
  const file = useRef<Bytes | null>(null);
  const isGone = useRef(false);
  useEffect(
    () => () => {
      isGone.current = true;
    },
    [],
  );
  const url = `/d/${invite}/${host.file}`;
  const size = formatSize(host.size, language.value);
  const words = isMain ? t("customer_get", { size }) : t("customer_get_for", { system: t(SYSTEM_NAMES[host.target]), size });
  const save = (): void => {
    if (file.current !== null) saveFile(file.current, host.file);
  };
  const begin = async (): Promise<void> => {
    let drawnAt = 0;
    state.value = { kind: "fetching", received: 0, isAgain: false };
    try {
      const found = await fetchHost(url, host, ({ received, isAgain }) => {
        const now = performance.now();
        if (received === host.size) state.value = { kind: "checking" };
        else if (isAgain || now - drawnAt > DRAWING_INTERVAL) state.value = { kind: "fetching", received, isAgain };
        else return;
        drawnAt = now;
      });
      addLink(found, host, link);
      if (isGone.current) return;
      file.current = found;
      save();
      state.value = { kind: "saved" };
      onSaved?.();
    } catch (error) {
      if (error instanceof CannotFetch) state.value = { kind: "failed", fault: error.fault };
      else if (error instanceof LinkError) state.value = { kind: "no_place" };
      else throw error;
    }
  };
  const shown = state.value;
  if (shown.kind === "no_place") return <PlainDownload url={url} file={host.file} words={words} link={link} isMain={isMain} />;
  return (
    <div class="download stack">
      {(shown.kind === "ready" || shown.kind === "failed") && (
        <button type="button" class={`button ${isMain ? "main big" : "plain"}`} onClick={() => void begin()}>
          <Icon as={shown.kind === "failed" ? RotateCcw : DownloadIcon} size={isMain ? 24 : 18} />
          <span>{shown.kind === "failed" ? t("retry") : words}</span>
        </button>
      )}
      {shown.kind === "fetching" && <FetchProgress received={shown.received} isAgain={shown.isAgain} size={host.size} />}
      {shown.kind === "checking" && <Loading text={t("customer_checking")} />}
      {shown.kind === "saved" && (
        <Notice kind="good" live>
          <p>{t("customer_saved")}</p>
          <Button icon={DownloadIcon} onPress={save}>
            {t("customer_save_again")}
          </Button>
        </Notice>
      )}
      {shown.kind === "failed" && (
        <Notice kind="bad" live>
          <p>{t(FAULTS[shown.fault])}</p>
        </Notice>
      )}
    </div>
  );
}

function FetchProgress({ received, isAgain, size }: { received: number; isAgain: boolean; size: number }) {
  const values = { received: formatSize(received, language.value), size: formatSize(size, language.value) };
  const words = isAgain ? t("customer_fetching_again", values) : t("customer_fetching", values);
  return (
    <div class="fetching">
      <progress aria-label={words} max={size} value={received} />
      <p class={isAgain ? "fetching-again" : "hint"} role={isAgain ? "status" : undefined}>
        {words}
      </p>
    </div>
  );
}

/** The file as it is, and the link to paste into its window. */
function PlainDownload({
  url,
  file,
  words,
  link,
  isMain,
}: {
  url: string;
  file: string;
  words: string;
  link: string;
  isMain: boolean;
}) {
  return (
    <div class="download stack">
      <p>{t("customer_no_place")}</p>
      <a class={`button ${isMain ? "main big" : "plain"}`} href={url} download={file}>
        <Icon as={DownloadIcon} size={isMain ? 24 : 18} />
        <span>{words}</span>
      </a>
      <p>{t("customer_plain_hint")}</p>
      <CopyButton text={() => link} label={t("customer_copy_link")} />
    </div>
  );
}
