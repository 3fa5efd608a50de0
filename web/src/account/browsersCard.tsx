import { LogOut, MonitorSmartphone } from "lucide-preact";
import { accountApi, type SignedInBrowser } from "../api/account";
import { language, t, textIfAny } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { useSubmission } from "../ui/form";
import { Icon } from "../ui/icon";

/** Where one is signed in; each of the others can be signed out from here. */
export function BrowsersCard({
  browsers,
  reload,
}: {
  browsers: readonly SignedInBrowser[];
  reload: () => Promise<void>;
}) {
  const submission = useSubmission();
  const signOut = (work: () => Promise<null>): void => {
    void submission.send(async () => {
      await work();
      await reload();
    });
  };
  const others = browsers.filter((browser) => !browser.is_current);
  return (
    <Card title={t("browsers")} intro={t("browsers_intro")}>
      <ul class="things">
        {browsers.map((browser, index) => (
          <li key={browser.id ?? `old-${index}`} class="thing">
            <Icon as={MonitorSmartphone} />
            <div class="thing-text">
              <strong>
                {clean(browser.agent)} {browser.is_current && <span class="badge active">{t("this_browser")}</span>}
              </strong>
              <span class="soft">{whenSentence(browser)}</span>
            </div>
            {!browser.is_current && browser.id !== null && (
              <Button
                kind="quiet"
                icon={LogOut}
                label={`${t("sign_out")}: ${clean(browser.agent)}`}
                disabled={submission.isBusy.value}
                onPress={() => signOut(() => accountApi.signOutBrowser(browser.id ?? ""))}
              >
                {t("sign_out")}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      {others.length > 0 && (
        <div class="row">
          <Button icon={LogOut} disabled={submission.isBusy.value} onPress={() => signOut(accountApi.signOutOthers)}>
            {t("sign_out_others")}
          </Button>
        </div>
      )}
    </Card>
  );
}

function whenSentence(browser: SignedInBrowser): string {
  const way = textIfAny(`way_${browser.way}`) ?? clean(browser.way);
  const since = browser.created_at ?? browser.seen_at;
  const parts = [
    t("signed_in_at", { moment: formatMoment(since, language.value), way }),
    t("seen_at", { moment: formatMoment(browser.seen_at, language.value) }),
  ];
  return parts.join(" · ");
}
