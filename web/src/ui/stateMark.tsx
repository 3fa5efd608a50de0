import { CircleCheck, CircleMinus } from "lucide-preact";
import { t } from "../i18n/text";
import { Icon } from "./icon";

/** On or off, as a word, an icon and a colour. */
export function StateMark({ isOn, on, off }: { isOn: boolean; on?: string; off?: string }) {
  return (
    <span class={`badge ${isOn ? "active" : ""}`}>
      <Icon as={isOn ? CircleCheck : CircleMinus} size={16} />
      {isOn ? (on ?? t("is_on")) : (off ?? t("is_off"))}
    </span>
  );
}
