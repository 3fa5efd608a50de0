import { CircleCheck } from "lucide-preact";
import { t } from "../i18n/text";
import type { Submission } from "./form";
import { Icon } from "./icon";

/** Says beside a button that what stands in the form is what the relay has. */
export function SavedMark({ submission, text }: { submission: Submission; text?: string }) {
  return (
    <span class="said saved-mark" role="status">
      {submission.isDone.value && (
        <>
          <Icon as={CircleCheck} size={18} /> {text ?? t("saved")}
        </>
      )}
    </span>
  );
}
