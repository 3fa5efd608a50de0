/** The console: which page, and whose. */
import { effect, signal } from "@preact/signals";
import { CircleAlert, SearchX } from "lucide-preact";
import { Suspense, lazy } from "preact/compat";
import { useEffect } from "preact/hooks";
import { ApiProblem, api } from "../api/client";
import { followClock } from "../api/clock";
import type { Me } from "../api/types";
import { isLanguage, language, t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Face, Loading } from "../ui/faces";
import { closeDesk } from "./desk";
import { savedLanguage } from "./preferences";
import { goTo, route, signInPath } from "./routes";
import { InvitePage } from "../signIn/invitePage";
import { SignInPage } from "../signIn/signInPage";
import { SupportPage } from "./supportPage";

// noVNC is most of the code, and only the viewer's tab needs it.
const ViewerPage = lazy(() => import("../viewer/viewerPage").then((module) => module.ViewerPage));
const FilesPage = lazy(() => import("../files/filesPage").then((module) => module.FilesPage));
const DashboardPage = lazy(() => import("../dashboard/dashboardPage").then((module) => module.DashboardPage));
const ShellPage = lazy(() => import("../shell/shellPage").then((module) => module.ShellPage));
const AccountPage = lazy(() => import("../account/accountPage").then((module) => module.AccountPage));
const SettingsPage = lazy(() => import("../settings/settingsPage").then((module) => module.SettingsPage));
const SessionPage = lazy(() => import("../history/sessionPage").then((module) => module.SessionPage));
const AuditPage = lazy(() => import("../audit/auditPage").then((module) => module.AuditPage));

/** Pages for whoever is not signed in. */
const NEEDS_NOBODY: readonly string[] = ["sign_in", "invite", "reset", "unknown"];

/** Who is signed in; null until that is known. */
const me = signal<Me | null>(null);
const failure = signal<string | null>(null);

/** Whether this browser has what pairing needs; DESIGN §7 names the versions. A page without TLS has no ciphers at all. */
async function hasCiphers(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
    return true;
  } catch {
    return false;
  }
}

async function loadMe(): Promise<void> {
  failure.value = null;
  try {
    if (!(await hasCiphers())) {
      failure.value = t("too_old");
      return;
    }
    const answer = await api.me();
    followClock(answer.now);
    const wanted = savedLanguage() ?? answer.technician.language;
    if (isLanguage(wanted)) language.value = wanted;
    me.value = answer;
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) goTo(signInPath(), "replace");
    else failure.value = sentenceOf(error);
  }
}

/** Asks again who is signed in and what they may; without an answer, what was known stays. */
async function refreshMe(): Promise<void> {
  const answer = await api.me().catch(() => null);
  if (answer !== null) me.value = answer;
}

function signedOut(): void {
  me.value = null;
  goTo(signInPath(), "replace");
}

// Whoever must set up a second factor can do nothing else before.
effect(() => {
  const page = route.value.page;
  if (me.value?.must_set_second_factor && page !== "account" && !NEEDS_NOBODY.includes(page)) goTo("/account", "replace");
});

// The desk goes on while its owner looks at other pages, and no longer than they are signed in.
effect(() => {
  if (me.value === null) closeDesk();
});

/** Pages that name their tab after the computer. */
const NAMES_ITSELF: readonly string[] = ["viewer", "files", "dashboard", "shell"];

effect(() => {
  if (!NAMES_ITSELF.includes(route.value.page)) document.title = t("product");
});

export function App() {
  const where = route.value;
  switch (where.page) {
    case "unknown":
      return (
        <main class="lonely">
          <Face icon={SearchX} title={t("not_found")} heading="h1">
            <a class="button" href="/">
              {t("go_home")}
            </a>
          </Face>
        </main>
      );
    case "sign_in":
      return (
        <SignInPage
          onSignedIn={() => {
            me.value = null;
            goTo(where.next, "replace");
          }}
        />
      );
    case "invite":
    case "reset":
      return (
        <InvitePage
          onSignedIn={() => {
            me.value = null;
            goTo("/", "replace");
          }}
          onGiveUp={() => goTo("/sign-in", "replace")}
        />
      );
    case "account":
      return (
        <WithMe>{(known) => <AccountPage me={known} onChanged={refreshMe} onSignedOut={signedOut} />}</WithMe>
      );
    case "settings":
      return (
        <WithMe>
          {(known) => <SettingsPage me={known} part={where.part} onChanged={refreshMe} onSignedOut={signedOut} />}
        </WithMe>
      );
    case "audit":
      return <WithMe>{(known) => <AuditPage me={known} session={where.session} onSignedOut={signedOut} />}</WithMe>;
    case "support":
      return <WithMe>{(known) => <SupportPage me={known} onSignedOut={signedOut} />}</WithMe>;
    case "session":
      return (
        <WithMe>
          {(known) => <SessionPage key={where.session} me={known} sessionId={where.session} onSignedOut={signedOut} />}
        </WithMe>
      );
    case "viewer":
      return (
        <WithMe>
          {(known) => <ViewerPage key={where.session} me={known} sessionId={where.session} onSignedOut={signedOut} />}
        </WithMe>
      );
    case "files":
      return (
        <WithMe>
          {(known) => <FilesPage key={where.session} me={known} sessionId={where.session} onSignedOut={signedOut} />}
        </WithMe>
      );
    case "dashboard":
      return (
        <WithMe>
          {(known) => <DashboardPage key={where.session} me={known} sessionId={where.session} onSignedOut={signedOut} />}
        </WithMe>
      );
    case "shell":
      return (
        <WithMe>
          {(known) => <ShellPage key={where.session} me={known} sessionId={where.session} onSignedOut={signedOut} />}
        </WithMe>
      );
  }
}

/** Shows a page once it is known who is signed in. */
function WithMe({ children }: { children: (me: Me) => preact.ComponentChildren }) {
  useEffect(() => {
    if (me.value === null) void loadMe();
  }, []);
  if (me.value !== null) {
    return (
      <Suspense
        fallback={
          <main class="lonely">
            <Loading />
          </main>
        }
      >
        {children(me.value)}
      </Suspense>
    );
  }
  return (
    <main class="lonely">
      {failure.value === null ? (
        <Loading />
      ) : (
        <Face icon={CircleAlert} title={t("page_failed")} heading="h1">
          <p role="alert">{failure.value}</p>
          <Button kind="main" onPress={() => void loadMe()}>
            {t("retry")}
          </Button>
        </Face>
      )}
    </main>
  );
}
