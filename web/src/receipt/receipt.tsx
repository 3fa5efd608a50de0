/** The customer's receipt of a session that ended: who, when, how long, with which tools. It can be printed. */
import { Printer } from "lucide-preact";
import "../styles/receipt.css";
import type { Receipt } from "../api/types";
import { endSentence } from "../console/ends";
import { counted, countedIfAny, language, t, textIfAny } from "../i18n/text";
import { clean } from "../text/clean";
import { formatDuration, formatMoment } from "../text/format";
import { Button } from "../ui/buttons";

const REMOVALS = {
  none: "receipt_removal_none",
  pending: "receipt_removal_pending",
  all_but_last: "receipt_removal_all_but_last",
  confirmed: "receipt_removal_confirmed",
} as const;

export function ReceiptPaper({ receipt, heading: Heading = "h2" }: { receipt: Receipt; heading?: "h1" | "h2" }) {
  const company = clean(receipt.company);
  const phone = clean(receipt.phone, 40);
  return (
    <section class="card stack receipt" aria-labelledby="receipt-title">
      <div class="receipt-head">
        <Heading id="receipt-title">{t("receipt_title", { company })}</Heading>
        <span class="not-printed">
          <Button icon={Printer} onPress={() => print()}>
            {t("print")}
          </Button>
        </span>
      </div>
      <dl class="facts">
        <Fact name={t("receipt_helpers")} value={receipt.technicians.map((name) => clean(name)).join(", ")} />
        {phone !== "" && <Fact name={t("receipt_phone")} value={phone} />}
        <Fact name={t("receipt_prepared")} value={momentOf(receipt.prepared_at)} />
        <Fact name={t("receipt_activated")} value={momentOf(receipt.activated_at)} />
        <Fact name={t("receipt_ended")} value={momentOf(receipt.ended_at)} />
        <Fact name={t("receipt_connected")} value={formatDuration(receipt.active_seconds, language.value)} />
      </dl>
      <p>{endSentence(receipt.end_reason, receipt.end_sentence)}</p>
      <p>
        <strong>{t(REMOVALS[receipt.removal])}</strong>
      </p>
      {receipt.uses.length === 0 ? (
        <p>{t("receipt_no_uses")}</p>
      ) : (
        <ul class="receipt-uses" aria-label={t("receipt_uses")}>
          {receipt.uses.map((use) => (
            <li key={`${use.began_at} ${use.tool} ${use.technician}`}>
              <strong>{toolName(use.tool)}</strong>
              {use.access === "view" && ` (${t("share_view")})`}, {clean(use.technician)}
              <br />
              <span class="soft">{spanOf(use)}</span>
            </li>
          ))}
        </ul>
      )}
      {receipt.acts.length > 0 && (
        <p>
          {t("receipt_acts")} {actsSentence(receipt.acts)}.
        </p>
      )}
    </section>
  );
}

/** What was done and how often, such as "3 files written, 1 process ended"; a word from a newer relay is some other change. */
export function actsSentence(acts: Receipt["acts"]): string {
  return acts.map(({ act, count }) => countedIfAny(`act_${act}`, count) ?? counted("act_other", count)).join(", ");
}

/** When and how long a tool was open; "at least" where the relay did not see the end. */
export function spanOf(use: Pick<Receipt["uses"][number], "began_at" | "seconds" | "is_estimated">): string {
  const began = momentOf(use.began_at);
  if (use.seconds === null) return `${began} · ${t("use_goes_on")}`;
  const length = formatDuration(use.seconds, language.value);
  return `${began} · ${use.is_estimated ? t("use_at_least", { time: length }) : length}`;
}

/** A tool's name, whoever wrote it. */
export function toolName(tool: string): string {
  return textIfAny(`tool_name_${tool}`) ?? clean(tool);
}

function momentOf(iso: string | null): string {
  return iso === null ? "–" : formatMoment(iso, language.value);
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{value || "–"}</dd>
    </div>
  );
}
