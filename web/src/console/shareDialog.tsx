/** Colleagues in a session: let one in until it ends, change what they may do, take it back, hand the session over. */
import { useSignal } from "@preact/signals";
import { UserMinus, UserPlus } from "lucide-preact";
import { api } from "../api/client";
import { peopleApi } from "../api/company";
import type { Session, Share } from "../api/types";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";
import { Notice } from "../ui/faces";
import { Field } from "../ui/field";
import { useSubmission } from "../ui/form";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import type { Desk } from "./desk";

const ACCESSES = ["full", "view"] as const;

export function ShareDialog({ session, desk, onClose }: { session: Session; desk: Desk; onClose: () => void }) {
  const people = useLoaded(peopleApi.list);
  const submission = useSubmission();
  const colleague = useSignal("");
  const access = useSignal<Share["access"]>("full");
  const wantsHandOver = useSignal(false);
  /** Does it, and shows the session as it is then: the feed may be a moment late. */
  const change = (work: () => Promise<unknown>): Promise<boolean> =>
    submission.send(async () => {
      await work();
      desk.live.update((await api.session(session.id)).session);
    });
  return (
    <Dialog title={t("let_in_colleague")} onClose={onClose}>
      <p class="hint">{t("let_in_hint")}</p>
      {session.shares.length > 0 && (
        <ul class="shares">
          {session.shares.map((share) => (
            <ShareLine key={share.technician.id} share={share} session={session} isBusy={submission.isBusy.value} change={change} />
          ))}
        </ul>
      )}
      <LoadedPart loaded={people}>
        {({ people: known }) => {
          const inside = new Set([session.technician.id, ...session.shares.map(({ technician }) => technician.id)]);
          const others = known.filter((one) => one.role !== "auditor" && one.is_disabled !== true);
          const free = others.filter(({ id }) => !inside.has(id));
          const receivers = others.filter(({ id }) => id !== session.technician.id);
          const chosen = (wantsHandOver.value ? receivers : free).some(({ id }) => id === colleague.value);
          if (receivers.length === 0) return <p>{t("no_colleagues")}</p>;
          return (
            <>
              <div class="share-form">
                <Field label={t("colleague")}>
                  {(attributes) => (
                    <select
                      {...attributes}
                      value={colleague.value}
                      onChange={(event) => (colleague.value = event.currentTarget.value)}
                    >
                      <option value="">{t("choose_colleague")}</option>
                      {(wantsHandOver.value ? receivers : free).map(({ id, name }) => (
                        <option key={id} value={id}>
                          {clean(name)}
                        </option>
                      ))}
                    </select>
                  )}
                </Field>
                {!wantsHandOver.value && (
                  <AccessField access={access.value} onChange={(wanted) => (access.value = wanted)} />
                )}
              </div>
              {wantsHandOver.value && <Notice kind="warning">{t("hand_over_means")}</Notice>}
              <div class="dialog-actions">
                {session.state === "active" && (
                  <Button kind="quiet" onPress={() => (wantsHandOver.value = !wantsHandOver.value)}>
                    {t(wantsHandOver.value ? "let_in_instead" : "hand_over_instead")}
                  </Button>
                )}
                {wantsHandOver.value ? (
                  <Button
                    kind="danger"
                    disabled={!chosen || submission.isBusy.value}
                    onPress={() =>
                      void change(() => api.handOver(session.id, colleague.value)).then((done) => {
                        if (done) onClose();
                      })
                    }
                  >
                    {t("hand_over")}
                  </Button>
                ) : (
                  <Button
                    kind="main"
                    icon={UserPlus}
                    disabled={!chosen || submission.isBusy.value}
                    onPress={() =>
                      void change(() => api.share(session.id, colleague.value, access.value)).then((done) => {
                        if (done) colleague.value = "";
                      })
                    }
                  >
                    {t("let_in_now")}
                  </Button>
                )}
              </div>
            </>
          );
        }}
      </LoadedPart>
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <div class="dialog-actions">
        <Button onPress={onClose}>{t("close")}</Button>
      </div>
    </Dialog>
  );
}

function ShareLine({
  share: { technician, access },
  session,
  isBusy,
  change,
}: {
  share: Share;
  session: Session;
  isBusy: boolean;
  change: (work: () => Promise<unknown>) => Promise<boolean>;
}) {
  const name = clean(technician.name);
  return (
    <li class="share">
      <strong>{name}</strong>
      <select
        aria-label={t("share_access_of", { name })}
        value={access}
        disabled={isBusy}
        onChange={(event) => {
          const wanted = ACCESSES.find((known) => known === event.currentTarget.value);
          if (wanted !== undefined) void change(() => api.share(session.id, technician.id, wanted));
        }}
      >
        {ACCESSES.map((known) => (
          <option key={known} value={known}>
            {t(`share_${known}`)}
          </option>
        ))}
      </select>
      <Button
        icon={UserMinus}
        disabled={isBusy}
        label={`${t("let_out")} ${name}`}
        onPress={() => void change(() => api.unshare(session.id, technician.id))}
      >
        {t("let_out")}
      </Button>
    </li>
  );
}

function AccessField({ access, onChange }: { access: Share["access"]; onChange: (access: Share["access"]) => void }) {
  return (
    <Field label={t("may")}>
      {(attributes) => (
        <select
          {...attributes}
          value={access}
          onChange={(event) => onChange(event.currentTarget.value === "view" ? "view" : "full")}
        >
          {ACCESSES.map((known) => (
            <option key={known} value={known}>
              {t(`share_${known}`)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
