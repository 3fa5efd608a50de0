import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { Eye, EyeOff } from "lucide-preact";
import type { Ref } from "preact";
import { t } from "../i18n/text";
import { Field } from "./field";
import { Icon } from "./icon";

interface TextFieldProps {
  label: string;
  value: Signal<string>;
  hint?: string | undefined;
  error?: string | null;
  type?: "text" | "email" | "password" | "number" | "url" | "tel" | "date" | "datetime-local";
  autocomplete?: string;
  inputMode?: "text" | "numeric" | "email" | "url" | "tel" | "decimal";
  maxLength?: number;
  min?: number | string;
  max?: number | string;
  step?: number | string;
  isSecret?: boolean;
  disabled?: boolean;
  inputRef?: Ref<HTMLInputElement>;
  /** When what was typed may be complete: at leaving the field, or by the browser's filling it in. */
  onComplete?: () => void;
}

/** A labelled line of text bound to a signal. */
export function TextField(props: TextFieldProps) {
  const { label, value, hint, error = null, type = "text", isSecret = false, inputRef = null, onComplete } = props;
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <input
          {...attributes}
          ref={inputRef}
          type={type}
          class={isSecret ? "secret" : undefined}
          autocomplete={props.autocomplete ?? "off"}
          inputMode={props.inputMode}
          maxLength={props.maxLength}
          min={props.min}
          max={props.max}
          step={props.step}
          disabled={props.disabled}
          spellcheck={isSecret ? false : undefined}
          autocapitalize={isSecret ? "none" : undefined}
          value={value.value}
          onInput={(event) => (value.value = event.currentTarget.value)}
          onChange={onComplete}
          onBlur={onComplete}
        />
      )}
    </Field>
  );
}

/** A password that can be looked at while it is typed. */
export function PasswordField({
  label,
  value,
  hint,
  error = null,
  autocomplete,
  inputRef = null,
}: {
  label: string;
  value: Signal<string>;
  hint?: string | undefined;
  error?: string | null;
  autocomplete: "current-password" | "new-password" | "off";
  inputRef?: Ref<HTMLInputElement>;
}) {
  const isShown = useSignal(false);
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <div class="with-eye">
          <input
            {...attributes}
            ref={inputRef}
            type={isShown.value ? "text" : "password"}
            class="secret"
            autocomplete={autocomplete}
            maxLength={1024}
            spellcheck={false}
            autocapitalize="none"
            value={value.value}
            onInput={(event) => (value.value = event.currentTarget.value)}
          />
          <button
            type="button"
            class="eye"
            aria-pressed={isShown.value}
            aria-label={t("show_typed")}
            onClick={() => (isShown.value = !isShown.value)}
          >
            <Icon as={isShown.value ? EyeOff : Eye} />
          </button>
        </div>
      )}
    </Field>
  );
}
