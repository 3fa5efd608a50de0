/** What happens next, in three pictures, and which of it is happening on the computer just now. */
import { CircleCheck } from "lucide-preact";
import type { ComponentChildren } from "preact";
import type { HostFile, LinkStep } from "../api/types";
import { t, textIfAny } from "../i18n/text";
import { savedHostCommand } from "../text/shell";
import { Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { Line } from "./line";
import { CodePicture, DownloadsPicture, PropertiesPicture, RightsPicture, TerminalPicture } from "./pictures";

/**
 * Which of the three steps is to be done now; 3 after them. On Windows the first is to open the program, elsewhere to have
 * it; and a program that was started needs no more rights, but on Windows.
 */
export function currentStep(step: LinkStep, host: Pick<HostFile, "target">): number {
  switch (step) {
    case "host_downloaded":
      return host.target === "windows" ? 0 : 1;
    case "started":
      return host.target === "windows" ? 1 : 2;
    case "asking_rights":
      return 1;
    case "waiting_code":
    case "wrong_code":
      return 2;
    case "active":
      return 3;
    default:
      return 0;
  }
}

function saidOf(step: LinkStep, { target }: Pick<HostFile, "target">): string {
  switch (step) {
    case "host_downloaded":
      return t(target === "windows" ? "customer_step_downloaded" : "customer_step_downloaded_linux");
    case "started":
      return t("customer_step_started");
    case "asking_rights":
      return t("customer_step_rights");
    case "waiting_code":
      return t("customer_step_code");
    case "wrong_code":
      return t("customer_step_wrong_code");
    default:
      return "";
  }
}

interface Step {
  readonly picture: ComponentChildren;
  readonly sentence: string;
}

function stepsOf({ target, file, signer, window }: HostFile): readonly [Step, Step, Step] {
  const code =
    window === false
      ? { picture: <TerminalPicture label={t("customer_code_terminal_alt")} />, sentence: t("customer_code_terminal") }
      : { picture: <CodePicture label={t("customer_code_alt")} />, sentence: t("customer_code_step") };
  if (target === "windows") {
    const open = <DownloadsPicture file={file} label={t("customer_open_windows_alt", { file })} hasPointer />;
    const rights = <RightsPicture file={file} label={t("customer_rights_windows_alt")} />;
    const allow = signer === null ? t("customer_rights_windows_unsigned") : t("customer_rights_windows");
    return [{ picture: open, sentence: t("customer_open_windows") }, { picture: rights, sentence: allow }, code];
  }
  const saved = <DownloadsPicture file={file} label={t("customer_open_linux_alt", { file })} hasPointer={false} />;
  const start =
    target === "linux" && window !== false
      ? {
          picture: <PropertiesPicture file={file} label={t("customer_rights_linux_alt", { file })} />,
          sentence: t("customer_rights_linux"),
        }
      : { picture: <TerminalPicture label={t("customer_rights_python_alt")} />, sentence: t("customer_rights_python") };
  return [{ picture: saved, sentence: t("customer_open_linux") }, start, code];
}

export function NextSteps({ step, refused, host }: { step: LinkStep; refused: string | null; host: HostFile }) {
  const current = currentStep(step, host);
  return (
    <section class="card stack" aria-labelledby="next">
      <h2 id="next">{t("customer_next")}</h2>
      <ol class="next">
        {stepsOf(host).map(({ picture, sentence }, place) => (
          <li class={place < current ? "done" : ""} aria-current={place === current ? "step" : undefined}>
            {picture}
            <p>
              {place < current && <Icon as={CircleCheck} />} {sentence}
            </p>
          </li>
        ))}
      </ol>
      {refused === null ? (
        <p class="now" role="status">
          {saidOf(step, host)}
        </p>
      ) : (
        <Notice kind="bad" live>
          <p>{textIfAny(`customer_refused_${refused}`) ?? t("customer_refused")}</p>
        </Notice>
      )}
      {host.target !== "windows" && (
        <div class="stack">
          {host.target === "linux" && host.window !== false && <h3>{t("customer_start_line")}</h3>}
          <p>{t("customer_start_line_hint")}</p>
          <Line line={savedHostCommand(host)} />
        </div>
      )}
      <p>{t("customer_afterwards")}</p>
    </section>
  );
}
