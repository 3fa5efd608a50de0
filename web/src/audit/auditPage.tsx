/** The audit log: who did what when, newest first; whether it is intact; as a file. */
import { signal } from "@preact/signals";
import { Download, FileSearch, ShieldCheck } from "lucide-preact";
import { useEffect, useMemo } from "preact/hooks";
import { type AuditFilter, NO_FILTER, type Verdict, auditApi, exportPath } from "../api/audit";
import { peopleApi } from "../api/company";
import type { Me } from "../api/types";
import { Frame } from "../console/frame";
import { counted, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Face, Loading, Notice } from "../ui/faces";
import { useSubmission } from "../ui/form";
import { Icon } from "../ui/icon";
import { useLoaded } from "../ui/load";
import { AuditFilterForm } from "./auditFilterForm";
import { AuditRows } from "./auditRows";
import { AuditPages } from "./pages";

/** `session` is what the address asks for: only what concerns that one. */
export function AuditPage({ me, session, onSignedOut }: { me: Me; session: string; onSignedOut: () => void }) {
  const isAllowed = me.permissions.includes("audit.read");
  return (
    <Frame me={me} page="audit" onSignedOut={onSignedOut}>
      <main class="office wide stack">
        {isAllowed ? (
          <Log key={session} session={session} />
        ) : (
          <Face icon={FileSearch} title={t("not_allowed")} heading="h1">
            <p>{t("not_allowed_hint")}</p>
          </Face>
        )}
      </main>
    </Frame>
  );
}

function Log({ session }: { session: string }) {
  const filter = useMemo(() => signal<AuditFilter>({ ...NO_FILTER, session }), []);
  const pages = useMemo(() => new AuditPages(), []);
  const people = useLoaded(peopleApi.list);
  useEffect(() => void pages.start(filter.peek()), []);
  return (
    <>
      <div class="card-head">
        <h1>{t("audit_title")}</h1>
        <div class="row">
          {(["csv", "jsonl"] as const).map((format) => (
            <a key={format} class="button" href={exportPath(format, filter.value)} download={`audit.${format}`}>
              <Icon as={Download} size={18} />
              <span>{t(format === "csv" ? "audit_csv" : "audit_jsonl")}</span>
            </a>
          ))}
        </div>
      </div>
      <Verification />
      <Card title={t("audit_log")} intro={t("audit_intro")}>
        <AuditFilterForm
          filter={filter}
          people={people.value.value?.people ?? []}
          onFilter={() => pages.start(filter.peek())}
        />
        {pages.fault.value !== null && (
          <Notice kind="bad" live>
            <p>{pages.fault.value}</p>
            <Button onPress={() => void pages.start(filter.peek())}>{t("retry")}</Button>
          </Notice>
        )}
        {pages.rows.value.length > 0 && <AuditRows rows={pages.rows.value} people={people.value.value?.people ?? []} />}
        {pages.isLoading.value && <Loading />}
        {!pages.isLoading.value && pages.fault.value === null && pages.rows.value.length === 0 && (
          <Face icon={FileSearch} title={t("audit_nothing")} heading="h3" />
        )}
        {pages.next.value !== null && !pages.isLoading.value && (
          <div class="row">
            <Button onPress={() => void pages.more()}>{t("audit_older")}</Button>
          </div>
        )}
      </Card>
    </>
  );
}

/** Walks the whole log and says whether it is what the relay once wrote. */
function Verification() {
  const verdict = useMemo(() => signal<Verdict | null>(null), []);
  const submission = useSubmission();
  const verify = async (): Promise<void> => {
    verdict.value = null;
    verdict.value = await auditApi.verify();
  };
  const known = verdict.value;
  return (
    <Card title={t("verify_title")} intro={t("verify_intro")}>
      {known !== null && (
        <Notice kind={known.is_intact ? "good" : "bad"} live>
          <p>
            <strong>{known.is_intact ? t("verify_good") : t("verify_bad")}</strong>{" "}
            {known.problem === null ? counted("verify_rows", known.rows) : clean(known.problem.sentence, 300)}
          </p>
          {known.forgotten > 0 && <p>{counted("verify_forgotten", known.forgotten)}</p>}
          <p class="hint">
            {t("verify_head")} <code class="hash">{clean(known.head, 64)}</code>
          </p>
        </Notice>
      )}
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <div class="row">
        <Button icon={ShieldCheck} disabled={submission.isBusy.value} onPress={() => void submission.send(verify)}>
          {submission.isBusy.value ? t("verifying") : t("verify")}
        </Button>
      </div>
    </Card>
  );
}
