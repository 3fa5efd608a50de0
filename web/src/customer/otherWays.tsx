/** What most people need not see: one line for the terminal, the program for another computer, what the file is. */
import type { HostFile } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatSize } from "../text/format";
import { hostCommand, savedHostCommand } from "../text/shell";
import { Download, SYSTEM_NAMES } from "./download";
import { Line } from "./line";
import type { Programs } from "./programs";

export function OtherWays({ programs, invite, link }: { programs: Programs; invite: string; link: string }) {
  const { main, others } = programs;
  const forTerminal = main !== null && main.target !== "windows" ? main : null;
  const withPython = main?.target === "linux" ? others.find(({ target }) => target === "python") : undefined;
  const elsewhere = others.filter((host) => host !== withPython);
  return (
    <section class="card stack" aria-labelledby="others">
      <h2 id="others">{t("customer_other_ways")}</h2>
      {forTerminal !== null && (
        <details>
          <summary>{t("customer_or_line")}</summary>
          <div class="stack">
            <p>{t("customer_line_hint")}</p>
            <Line line={hostCommand(location.origin, invite, link, forTerminal)} />
          </div>
        </details>
      )}
      {withPython !== undefined && (
        <details>
          <summary>{t(SYSTEM_NAMES.python)}</summary>
          <div class="stack">
            <p>{t("customer_with_python", { versions: clean(withPython.python?.join(", ") ?? "3", 60) })}</p>
            <Download host={withPython} invite={invite} link={link} />
            <p>{t("customer_start_line_hint")}</p>
            <Line line={savedHostCommand(withPython)} />
            <About host={withPython} />
          </div>
        </details>
      )}
      {elsewhere.length > 0 && (
        <details open={main === null}>
          <summary>{t("customer_other_files")}</summary>
          <div class="stack">
            <p>{t("customer_other_files_hint")}</p>
            {elsewhere.map((host) => (
              <div class="stack" key={host.target}>
                <Download host={host} invite={invite} link={link} />
                <About host={host} />
              </div>
            ))}
          </div>
        </details>
      )}
      {main !== null && (
        <details>
          <summary>{t("customer_about_file")}</summary>
          <About host={main} />
        </details>
      )}
    </section>
  );
}

function About({ host }: { host: HostFile }) {
  const signer = host.signer === null ? t("customer_nobody") : clean(host.signer);
  const facts: readonly [string, string][] = [
    [t("customer_file_name"), clean(host.file)],
    [t("customer_file_version"), clean(host.version)],
    [t("customer_file_size"), formatSize(host.size, language.value)],
    [t("customer_file_signer"), signer],
    ["SHA-256", clean(host.sha256)],
  ];
  return (
    <div class="about">
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">{t("customer_file_hash_hint")}</p>
    </div>
  );
}
