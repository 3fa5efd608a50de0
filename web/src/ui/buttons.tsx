import { useSignal } from "@preact/signals";
import { Check, Copy } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n/text";
import { Icon, type IconType } from "./icon";

interface ButtonProps {
  icon?: IconType;
  kind?: "main" | "plain" | "quiet" | "danger";
  type?: "button" | "submit";
  disabled?: boolean;
  /** What a screen reader says, if the visible text is not enough; it must contain that text. */
  label?: string;
  onPress?: () => void;
  children: ComponentChildren;
}

export function Button({ icon, kind = "plain", type = "button", disabled = false, label, onPress, children }: ButtonProps) {
  return (
    <button type={type} class={`button ${kind}`} disabled={disabled} aria-label={label} onClick={onPress}>
      {icon && <Icon as={icon} size={18} />}
      <span>{children}</span>
    </button>
  );
}

/** Puts `text` on the clipboard. Resolves to whether the browser allowed it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Copies a text and says so for two seconds; the text comes from a function, so that secrets need not be props. */
export function CopyButton({ text, label, kind = "plain" }: { text: () => string; label: string; kind?: "main" | "plain" | "quiet" }) {
  const result = useSignal<"copied" | "failed" | null>(null);
  useEffect(() => {
    if (result.value === null) return undefined;
    const timer = setTimeout(() => (result.value = null), 2000);
    return () => clearTimeout(timer);
  }, [result.value]);
  const press = (): void => {
    void copyText(text()).then((done) => (result.value = done ? "copied" : "failed"));
  };
  return (
    <span class="copy">
      <Button icon={result.value === "copied" ? Check : Copy} kind={kind} onPress={press}>
        {label}
      </Button>
      <span class="said" role="status">
        {result.value === "copied" ? t("copied") : result.value === "failed" ? t("copy_failed") : ""}
      </span>
    </span>
  );
}
