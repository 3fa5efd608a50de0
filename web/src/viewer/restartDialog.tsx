/** Asks once whether the computer is to be restarted, naming what will be lost; then the customer has the word. */
import { useSignal } from "@preact/signals";
import { Power } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n/text";
import { RequestRefused } from "../tools/requests";
import { StreamClosed } from "../tunnel/streams";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";
import { Notice } from "../ui/faces";
import { askRestart, type WayBack } from "./restart";

type Step = { readonly kind: "question" | "asking" } | { readonly kind: "waits"; readonly seconds: number };

export function RestartDialog({
  computer,
  openStream,
  onRestarting,
  onClose,
}: {
  computer: string;
  openStream: () => Promise<SealedChannel>;
  onRestarting: (way: WayBack) => void;
  onClose: () => void;
}) {
  const step = useSignal<Step>({ kind: "question" });
  const fault = useSignal<string | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const isBusy = step.value.kind !== "question";
  const seconds = step.value.kind === "waits" ? step.value.seconds : null;
  useEffect(() => {
    if (seconds === null || seconds <= 0) return undefined;
    const timer = setTimeout(() => (step.value = { kind: "waits", seconds: seconds - 1 }), 1000);
    return () => clearTimeout(timer);
  }, [seconds]);
  const ask = async (): Promise<void> => {
    const controller = new AbortController();
    running.current = controller;
    step.value = { kind: "asking" };
    fault.value = null;
    try {
      const way = await askRestart(
        await openStream(),
        (given) => (step.value = { kind: "waits", seconds: given }),
        controller.signal,
      );
      onRestarting(way);
    } catch (error) {
      if (controller.signal.aborted) return;
      step.value = { kind: "question" };
      if (error instanceof RequestRefused) fault.value = t(error.sentence);
      else if (error instanceof StreamClosed) fault.value = t("viewer_customer_refuses");
      else throw error;
    }
  };
  return (
    <Dialog title={t("restart_title", { computer })} onClose={onClose}>
      <p aria-live="polite">
        {step.value.kind === "question"
          ? t("restart_loses")
          : seconds === null
            ? t("restart_asking")
            : t("restart_waits", { seconds: Math.ceil(seconds) })}
      </p>
      {fault.value !== null && (
        <Notice kind="bad" live>
          {fault.value}
        </Notice>
      )}
      <div class="dialog-actions">
        <Button onPress={onClose}>{t(isBusy ? "restart_take_back" : "cancel")}</Button>
        <Button kind="danger" icon={Power} disabled={isBusy} onPress={() => void ask()}>
          {t("restart_confirm")}
        </Button>
      </div>
    </Dialog>
  );
}
