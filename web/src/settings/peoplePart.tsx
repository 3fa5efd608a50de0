import { useSignal } from "@preact/signals";
import { UserPlus } from "lucide-preact";
import { peopleApi, type Person } from "../api/company";
import type { MailResult } from "../api/types";
import { t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { InviteForm } from "./inviteForm";
import { type MailVerdict, mailVerdict } from "./mailSentence";
import { PersonLine } from "./personLine";
import type { PartProps } from "./settingsPage";

/** Who works here: invite, change, disable, and let in again whoever lost their way in. */
export function PeoplePart({ me }: PartProps) {
  const people = useLoaded(peopleApi.list);
  const isInviting = useSignal(false);
  const said = useSignal<MailVerdict | null>(null);
  const say = (mail: MailResult, email: string): void => {
    said.value = mailVerdict(mail, email);
  };
  return (
    <Card title={t("people_title")} intro={t("people_intro")}>
      {said.value !== null && (
        <Notice kind={said.value.kind} live>
          {said.value.sentence}
        </Notice>
      )}
      {isInviting.value ? (
        <InviteForm
          role={me.technician.role}
          onInvited={(person, mail) => {
            isInviting.value = false;
            say(mail, person.email ?? "");
            void people.load();
          }}
          onCancel={() => (isInviting.value = false)}
        />
      ) : (
        <div class="row">
          <Button
            kind="main"
            icon={UserPlus}
            onPress={() => {
              said.value = null;
              isInviting.value = true;
            }}
          >
            {t("person_invite")}
          </Button>
        </div>
      )}
      <LoadedPart loaded={people}>
        {(known) => (
          <ul class="things" aria-label={t("people_title")}>
            {[...known.people].sort(byName).map((person) => (
              <PersonLine key={person.id} me={me} person={person} reload={people.load} onMailed={say} />
            ))}
          </ul>
        )}
      </LoadedPart>
    </Card>
  );
}

/** Who is disabled comes last. */
function byName(one: Person, other: Person): number {
  return (
    Number(one.is_disabled ?? false) - Number(other.is_disabled ?? false) ||
    one.name.localeCompare(other.name) ||
    one.id.localeCompare(other.id)
  );
}
