import { useSignal } from "@preact/signals";
import { KeySquare, Trash2 } from "lucide-preact";
import { accountApi, type ApiToken } from "../api/account";
import { relayNow } from "../api/clock";
import type { Me, Permission } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Asking } from "../ui/asking";
import { Button, CopyButton } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { Tick } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { TextField } from "../ui/textField";
import { scopeWord, scopesFor } from "./scopes";

const DEFAULT_DAYS = 90;

/** Tokens for programs: what they may do in one's name, for how long; each is shown once. */
export function TokensCard({ me }: { me: Me }) {
  const tokens = useLoaded(accountApi.tokens);
  const isAdding = useSignal(false);
  const fresh = useSignal<string | null>(null);
  const doomed = useSignal<ApiToken | null>(null);
  const revoked = doomed.value;
  return (
    <Card title={t("tokens")} intro={t("tokens_intro")}>
      {fresh.value !== null && (
        <Notice kind="good" live>
          <p>
            <strong>{t("token_once")}</strong>
          </p>
          <code class="shown-secret" data-testid="api-token">
            {fresh.value}
          </code>
          <div class="row">
            <CopyButton text={() => fresh.peek() ?? ""} label={t("copy")} />
            <Button onPress={() => (fresh.value = null)}>{t("noted")}</Button>
          </div>
        </Notice>
      )}
      <LoadedPart loaded={tokens}>
        {(known) => (
          <>
            {known.tokens.length === 0 && !isAdding.value && <p class="soft">{t("tokens_none")}</p>}
            <ul class="things">
              {known.tokens.map((token) => (
                <TokenLine key={token.id} token={token} onRevoke={() => (doomed.value = token)} />
              ))}
            </ul>
          </>
        )}
      </LoadedPart>
      {isAdding.value ? (
        <NewToken
          me={me}
          onMade={(token) => {
            fresh.value = token;
            isAdding.value = false;
            void tokens.load();
          }}
          onCancel={() => (isAdding.value = false)}
        />
      ) : (
        <div class="row">
          <Button icon={KeySquare} onPress={() => (isAdding.value = true)}>
            {t("token_add")}
          </Button>
        </div>
      )}
      {revoked !== null && (
        <Asking
          title={t("token_revoke_title", { name: clean(revoked.name) })}
          confirm={t("token_revoke")}
          isDangerous
          onConfirm={async () => {
            await accountApi.removeToken(revoked.id);
            await tokens.load();
          }}
          onClose={() => (doomed.value = null)}
        >
          <p>{t("token_revoke_hint")}</p>
        </Asking>
      )}
    </Card>
  );
}

function TokenLine({ token, onRevoke }: { token: ApiToken; onRevoke: () => void }) {
  const isOver = Date.parse(token.expires_at) <= relayNow();
  const used =
    token.used_at === null ? t("never_used") : t("last_used", { moment: formatMoment(token.used_at, language.value) });
  return (
    <li class="thing">
      <div class="thing-text">
        <strong>
          {clean(token.name)} {isOver && <span class="badge offline">{t("token_over")}</span>}
        </strong>
        <span>{token.scopes.map(scopeWord).join(" · ")}</span>
        <span class="soft">
          {t("token_until", { moment: formatMoment(token.expires_at, language.value) })} · {used}
        </span>
      </div>
      <Button kind="quiet" icon={Trash2} label={`${t("token_revoke")}: ${clean(token.name)}`} onPress={onRevoke}>
        {t("token_revoke")}
      </Button>
    </li>
  );
}

function NewToken({ me, onMade, onCancel }: { me: Me; onMade: (token: string) => void; onCancel: () => void }) {
  const name = useSignal("");
  const days = useSignal(String(DEFAULT_DAYS));
  const scopes = useSignal<ReadonlySet<Permission>>(new Set());
  const submission = useSubmission(["name", "scopes", "days"]);
  const toggle = (scope: Permission, isWanted: boolean): void => {
    const chosen = new Set(scopes.peek());
    if (isWanted) chosen.add(scope);
    else chosen.delete(scope);
    scopes.value = chosen;
  };
  const make = async (): Promise<void> => {
    const count = Number(days.value);
    if (name.value.trim() === "") return submission.refuse("name", t("token_name_wanted"));
    if (!Number.isInteger(count) || count < 1 || count > 366) return submission.refuse("days", t("token_days_wanted"));
    if (scopes.value.size === 0) return submission.refuse("scopes", t("token_scopes_wanted"));
    const made = await accountApi.addToken({ name: name.value.trim(), scopes: [...scopes.value].sort(), days: count });
    onMade(made.token);
  };
  return (
    <Form submission={submission} label={t("token_add")} onSend={make}>
      <div class="two-columns">
        <TextField
          label={t("token_name")}
          hint={t("token_name_hint")}
          maxLength={60}
          value={name}
          error={submission.of("name")}
        />
        <TextField
          label={t("token_days")}
          hint={t("token_days_hint")}
          type="number"
          inputMode="numeric"
          min={1}
          max={366}
          value={days}
          error={submission.of("days")}
        />
      </div>
      <fieldset class="choices">
        <legend>{t("token_scopes")}</legend>
        {scopesFor(me.permissions).map((scope) => (
          <Tick
            key={scope}
            label={scopeWord(scope)}
            checked={scopes.value.has(scope)}
            onChange={(isWanted) => toggle(scope, isWanted)}
          />
        ))}
        {submission.of("scopes") !== null && (
          <p class="field-error" role="alert">
            {submission.of("scopes")}
          </p>
        )}
      </fieldset>
      <div class="row">
        <Button kind="main" type="submit" icon={KeySquare} disabled={submission.isBusy.value}>
          {t("token_make")}
        </Button>
        <Button onPress={onCancel}>{t("cancel")}</Button>
      </div>
    </Form>
  );
}
