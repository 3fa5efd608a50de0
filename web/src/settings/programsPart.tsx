/** The programs that customers download: which the relay has, and what is wrong with those that it does not serve. */
import { downloadsApi } from "../api/downloads";
import type { DownloadFault, DownloadState, Target } from "../api/types";
import { language, type PlainKey, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatSize } from "../text/format";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { StateMark } from "../ui/stateMark";

const NAMES: Readonly<Record<Target, PlainKey>> = {
  windows: "customer_for_windows",
  linux: "customer_for_linux",
  python: "customer_for_python",
};

const FAULTS: Readonly<Record<DownloadFault, PlainKey>> = {
  missing: "program_missing",
  no_facts: "program_no_facts",
  bad_facts: "program_bad_facts",
  other_file: "program_other_file",
  bad_blob: "program_bad_blob",
  unreadable: "program_unreadable",
};

export function ProgramsPart() {
  const loaded = useLoaded(downloadsApi.get);
  return (
    <LoadedPart loaded={loaded}>
      {({ downloads }) => (
        <>
          <p class="soft">{t("programs_intro")}</p>
          {downloads.map((download) => (
            <ProgramCard key={download.target} download={download} />
          ))}
        </>
      )}
    </LoadedPart>
  );
}

function ProgramCard({ download: { target, file, host, fault } }: { download: DownloadState }) {
  const mark = <StateMark isOn={host !== null} on={t("program_served")} off={t("program_not_served")} />;
  return (
    <Card title={t(NAMES[target])} aside={mark}>
      {host === null ? (
        <Notice kind={fault === "missing" ? "info" : "warning"}>
          <p>{t(FAULTS[fault ?? "missing"])}</p>
          <p>{t("program_build", { command: `relay build-host --target ${target}` })}</p>
        </Notice>
      ) : (
        <dl class="program-facts">
          {[
            [t("customer_file_name"), clean(file)],
            [t("customer_file_version"), clean(host.version)],
            [t("customer_file_size"), formatSize(host.size, language.value)],
            [t("customer_file_signer"), host.signer === null ? t("customer_nobody") : clean(host.signer)],
            [t("program_machine"), clean(host.machine)],
            ...(host.python === null ? [] : [["Python", clean(host.python.join(", "), 100)]]),
            ["SHA-256", clean(host.sha256)],
          ].map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </Card>
  );
}
