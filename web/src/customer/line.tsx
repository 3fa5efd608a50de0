import { t } from "../i18n/text";
import { CopyButton } from "../ui/buttons";

/** A line to paste in a terminal. */
export function Line({ line }: { line: string }) {
  return (
    <div class="line stack">
      <pre class="command" tabIndex={0} role="region" aria-label={t("customer_line_label")}>
        <code>{line}</code>
      </pre>
      <CopyButton text={() => line} label={t("customer_copy_line")} />
    </div>
  );
}
