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
import { savedLanguage } from "./preferences";
import { goTo, route, signInPath } from "./routes";
import { SignInPage } from "./signIn";
import { SupportPage } from "./supportPage";

// noVNC is most of the code, and only the viewer's tab needs it.
const ViewerPage = lazy(() => import("../viewer/viewerPage").then((module) => module.ViewerPage));

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
    if (savedLanguage() === null && isLanguage(answer.technician.language)) language.value = answer.technician.language;
    me.value = answer;
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) goTo(signInPath(), "replace");
    else failure.value = sentenceOf(error);
  }
}

function signedOut(): void {
  me.value = null;
  goTo(signInPath(), "replace");
}

effect(() => {
  if (route.value.page !== "viewer") document.title = t("product");
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
    case "support":
      return <WithMe>{(known) => <SupportPage me={known} onSignedOut={signedOut} />}</WithMe>;
    case "viewer":
      return (
        <WithMe>
          {() => (
            <Suspense fallback={<Loading />}>
              <ViewerPage key={where.session} sessionId={where.session} onSignedOut={signedOut} />
            </Suspense>
          )}
        </WithMe>
      );
  }
}

/** Shows a page once it is known who is signed in. */
function WithMe({ children }: { children: (me: Me) => preact.ComponentChildren }) {
  useEffect(() => {
    if (me.value === null) void loadMe();
  }, []);
  if (me.value !== null) return <>{children(me.value)}</>;
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
