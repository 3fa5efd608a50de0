import { useSignal } from "@preact/signals";
import { Save } from "lucide-preact";
import { companyApi } from "../api/company";
import { type PlainKey, t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { Field, Tick } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { SavedMark } from "../ui/savedMark";
import { TextField } from "../ui/textField";
import { inUnits, numberOf, wholeNumberOf } from "./numbers";
import type { CompanyPartProps } from "./settingsPage";

const HOUR = 3600;
const MINUTE = 60;
/** Hours; the product's promise (`MAX_SESSION_LIFETIME` of the relay). */
const LONGEST = 24;
const MOST_DAYS = 3650;
const MOST_OPEN = 1000;
/** Minutes; a shorter session helps nobody, and a mail takes its time to arrive. */
const SHORTEST = 10;
const SHORTEST_PREPARATION = 5;

const PLANS: readonly { readonly name: string; readonly hint: PlainKey }[] = [
  { name: "free", hint: "plan_free" },
  { name: "base", hint: "plan_base" },
  { name: "plus", hint: "plan_plus" },
  { name: "premier", hint: "plan_premier" },
];

/** Name, plan, limits and rules. */
export function CompanyPart({ me, answer, reload }: CompanyPartProps) {
  const { company } = answer;
  const name = useSignal(company.name);
  const phone = useSignal(company.phone);
  const plan = useSignal(company.plan);
  const hasInsight = useSignal(company.has_insight);
  const perTechnician = useSignal(String(company.max_open_per_technician));
  const perCompany = useSignal(String(company.max_open_per_company));
  const hours = useSignal(inUnits(company.session_lifetime, HOUR));
  const minutes = useSignal(inUnits(company.preparation_timeout, MINUTE));
  const days = useSignal(String(company.retention_days));
  const needsReason = useSignal(company.requires_reason);
  const allowsShell = useSignal(company.allows_shell);
  const needsFactor = useSignal(company.requires_second_factor);
  const submission = useSubmission([
    "name",
    "phone",
    "plan",
    "has_insight",
    "max_open_per_technician",
    "max_open_per_company",
    "session_lifetime",
    "preparation_timeout",
    "retention_days",
  ]);
  const locksMeOut = needsFactor.value && !company.requires_second_factor && !me.technician.has_second_factor;

  const save = async (): Promise<void> => {
    const lifetime = numberOf(hours.value, SHORTEST / MINUTE, LONGEST);
    const preparation = numberOf(minutes.value, SHORTEST_PREPARATION, LONGEST * MINUTE);
    const openEach = wholeNumberOf(perTechnician.value, 1, MOST_OPEN);
    const openAll = wholeNumberOf(perCompany.value, 1, MOST_OPEN);
    const retention = wholeNumberOf(days.value, 1, MOST_DAYS);
    const between = (least: number, most: number): string => t("number_between", { least, most });
    if (name.value.trim() === "") return submission.refuse("name", t("name_wanted"));
    if (openEach === null) return submission.refuse("max_open_per_technician", between(1, MOST_OPEN));
    if (openAll === null) return submission.refuse("max_open_per_company", between(1, MOST_OPEN));
    if (lifetime === null) return submission.refuse("session_lifetime", t("lifetime_wanted"));
    if (preparation === null) return submission.refuse("preparation_timeout", between(SHORTEST_PREPARATION, LONGEST * MINUTE));
    if (retention === null) return submission.refuse("retention_days", between(1, MOST_DAYS));
    await companyApi.change({
      name: name.value.trim(),
      phone: phone.value.trim(),
      plan: plan.value,
      has_insight: hasInsight.value,
      max_open_per_technician: openEach,
      max_open_per_company: openAll,
      session_lifetime: Math.round(lifetime * HOUR),
      preparation_timeout: Math.round(preparation * MINUTE),
      retention_days: retention,
      requires_reason: needsReason.value,
      allows_shell: allowsShell.value,
      requires_second_factor: needsFactor.value,
    });
    await reload();
  };
  const planHint = PLANS.find((known) => known.name === plan.value)?.hint;
  return (
    <Form submission={submission} label={t("part_company")} onSend={save}>
      <Card title={t("company_who")} intro={t("company_who_intro")}>
        <div class="two-columns">
          <TextField label={t("name")} maxLength={80} value={name} error={submission.of("name")} />
          <TextField
            label={t("company_phone")}
            hint={t("company_phone_hint")}
            type="tel"
            inputMode="tel"
            maxLength={40}
            value={phone}
            error={submission.of("phone")}
          />
        </div>
      </Card>
      <Card title={t("company_plan")} intro={t("company_plan_intro")}>
        <Field label={t("plan")} hint={planHint && t(planHint)} error={submission.of("plan")}>
          {(attributes) => (
            <select {...attributes} value={plan.value} onChange={(event) => (plan.value = event.currentTarget.value)}>
              {PLANS.map((known) => (
                <option key={known.name} value={known.name}>
                  {known.name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Tick
          label={t("insight")}
          hint={t("insight_hint")}
          checked={hasInsight.value}
          onChange={(isOn) => (hasInsight.value = isOn)}
        />
        <div class="two-columns">
          <TextField
            label={t("open_per_technician")}
            type="number"
            inputMode="numeric"
            min={1}
            value={perTechnician}
            error={submission.of("max_open_per_technician")}
          />
          <TextField
            label={t("open_per_company")}
            type="number"
            inputMode="numeric"
            min={1}
            value={perCompany}
            error={submission.of("max_open_per_company")}
          />
        </div>
      </Card>
      <Card title={t("company_times")}>
        <div class="two-columns">
          <TextField
            label={t("lifetime")}
            hint={t("lifetime_hint")}
            inputMode="decimal"
            value={hours}
            error={submission.of("session_lifetime")}
          />
          <TextField
            label={t("preparation")}
            hint={t("preparation_hint")}
            inputMode="decimal"
            value={minutes}
            error={submission.of("preparation_timeout")}
          />
          <TextField
            label={t("retention")}
            hint={t("retention_hint")}
            type="number"
            inputMode="numeric"
            min={1}
            max={MOST_DAYS}
            value={days}
            error={submission.of("retention_days")}
          />
        </div>
      </Card>
      <Card title={t("company_rules")}>
        <Tick
          label={t("needs_reason")}
          hint={t("needs_reason_hint")}
          checked={needsReason.value}
          onChange={(isOn) => (needsReason.value = isOn)}
        />
        <Tick
          label={t("allows_shell")}
          hint={t("allows_shell_hint")}
          checked={allowsShell.value}
          onChange={(isOn) => (allowsShell.value = isOn)}
        />
        <Tick
          label={t("needs_factor")}
          hint={t("needs_factor_hint")}
          checked={needsFactor.value}
          onChange={(isOn) => (needsFactor.value = isOn)}
        />
        {locksMeOut && <Notice kind="warning">{t("needs_factor_you")}</Notice>}
      </Card>
      <div class="row">
        <Button kind="main" type="submit" icon={Save} disabled={submission.isBusy.value}>
          {t("save")}
        </Button>
        <SavedMark submission={submission} />
      </div>
    </Form>
  );
}
