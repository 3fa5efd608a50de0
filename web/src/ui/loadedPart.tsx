import type { ComponentChildren } from "preact";
import { t } from "../i18n/text";
import { Button } from "./buttons";
import { Loading, Notice } from "./faces";
import type { Loaded } from "./load";

/** Shows what was loaded; before that the waiting, and at any time what went wrong. */
export function LoadedPart<T>({ loaded, children }: { loaded: Loaded<T>; children: (value: T) => ComponentChildren }) {
  const value = loaded.value.value;
  return (
    <>
      {loaded.fault.value !== null && (
        <Notice kind="bad" live>
          <p>{loaded.fault.value}</p>
          <Button onPress={() => void loaded.load()}>{t("retry")}</Button>
        </Notice>
      )}
      {value !== null ? children(value) : loaded.fault.value === null && <Loading />}
    </>
  );
}
