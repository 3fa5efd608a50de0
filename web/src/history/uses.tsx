/** Who connected to a session's computer: when, how long, with which tool, and why. */
import type { Use } from "../api/types";
import { t } from "../i18n/text";
import { spanOf, toolName } from "../receipt/receipt";
import { clean } from "../text/clean";
import { Card } from "../ui/card";

export function Uses({ uses }: { uses: readonly Use[] }) {
  return (
    <Card title={t("uses_title")}>
      {uses.length === 0 ? (
        <p class="soft">{t("uses_none")}</p>
      ) : (
        <ul class="uses">
          {uses.map((use) => (
            <li key={`${use.began_at} ${use.tool} ${use.technician.id}`}>
              <p>
                <strong>{clean(use.technician.name) || t("actor_unknown")}</strong> · {toolName(use.tool)}
                {use.access === "view" && ` (${t("share_view")})`}
              </p>
              <p class="soft">{spanOf(use)}</p>
              {use.reason !== "" && <p class="hint">{t("use_reason", { reason: clean(use.reason, 200) })}</p>}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
