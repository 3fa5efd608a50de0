/** Says whom a technician cannot help, because there is nothing for them to download. */
import { downloadsApi, systemsWithout } from "../api/downloads";
import type { Me } from "../api/types";
import { t } from "../i18n/text";
import { Notice } from "../ui/faces";
import { useLoaded } from "../ui/load";
import { Link } from "./link";

export function MissingPrograms({ me }: { me: Me }) {
  const loaded = useLoaded(downloadsApi.get);
  const downloads = loaded.value.value?.downloads;
  // What cannot be asked now is no reason to disturb: preparing a session does not need it.
  if (downloads === undefined) return null;
  const without = systemsWithout(downloads);
  if (without.length === 0) return null;
  const systems = { windows: "Windows", linux: "Linux" };
  return (
    <Notice kind={without.length > 1 ? "warning" : "info"}>
      <p>
        {without.length > 1
          ? t("programs_none")
          : t("programs_missing", { system: without.map((system) => systems[system]).join("") })}
      </p>
      {me.permissions.includes("company.manage") && <Link href="/settings/programs">{t("programs_look")}</Link>}
    </Notice>
  );
}
