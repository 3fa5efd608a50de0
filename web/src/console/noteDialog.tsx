import { useSignal } from "@preact/signals";
import { api } from "../api/client";
import type { Session } from "../api/types";
import { t } from "../i18n/text";
import { Asking } from "../ui/asking";
import { Tick } from "../ui/field";
import { useSubmission } from "../ui/form";
import { TextField } from "../ui/textField";
import type { Desk } from "./desk";

/** Changes the note of a session, and whether its customer is sent a receipt. */
export function NoteDialog({ session, desk, onClose }: { session: Session; desk: Desk; onClose: () => void }) {
  const note = useSignal(session.note);
  const wantsReceipt = useSignal(session.wants_receipt);
  const submission = useSubmission(["note"]);
  const save = async (): Promise<void> => {
    const answer = await api.change(session.id, { note: note.value.trim(), wants_receipt: wantsReceipt.value });
    desk.live.update(answer.session);
  };
  return (
    <Asking title={t("edit_note")} confirm={t("save")} submission={submission} onConfirm={save} onClose={onClose}>
      <TextField label={t("note")} hint={t("note_hint")} value={note} maxLength={500} error={submission.of("note")} />
      <Tick
        label={t("wants_receipt")}
        hint={t("wants_receipt_hint")}
        checked={wantsReceipt.value}
        onChange={(checked) => (wantsReceipt.value = checked)}
      />
    </Asking>
  );
}
