import { beforeAll, expect, test, vi } from "vitest";

let parseRoute: typeof import("./routes").parseRoute;

beforeAll(async () => {
  vi.stubGlobal("location", { pathname: "/", search: "" });
  vi.stubGlobal("addEventListener", () => undefined);
  ({ parseRoute } = await import("./routes"));
});

test("the console's addresses", () => {
  expect(parseRoute("/")).toEqual({ page: "support" });
  expect(parseRoute("/session/ab-c_1")).toEqual({ page: "viewer", session: "ab-c_1" });
  expect(parseRoute("/session/ab-c_1/files")).toEqual({ page: "files", session: "ab-c_1" });
  expect(parseRoute("/session/ab-c_1/dashboard")).toEqual({ page: "dashboard", session: "ab-c_1" });
  expect(parseRoute("/sign-in?next=%2Fsession%2Fabc%2Ffiles")).toEqual({ page: "sign_in", next: "/session/abc/files" });
  expect(parseRoute("/sessions/ab-c_1")).toEqual({ page: "session", session: "ab-c_1" });
  expect(parseRoute("/settings")).toEqual({ page: "settings", part: "" });
  expect(parseRoute("/settings/mail-server")).toEqual({ page: "settings", part: "mail-server" });
  expect(["/invite", "/reset", "/account", "/audit"].map((path) => parseRoute(path).page)).toEqual([
    "invite",
    "reset",
    "account",
    "audit",
  ]);
  expect(parseRoute("/audit?session=ab-c_1")).toEqual({ page: "audit", session: "ab-c_1" });
  expect(parseRoute("/audit?session=%3Cb%3E")).toEqual({ page: "audit", session: "" });
  expect(parseRoute("/sign-in?next=%2Fsettings%2Fbrand")).toEqual({ page: "sign_in", next: "/settings/brand" });
  expect(parseRoute("/sign-in?next=%2Fsession%2Fabc")).toEqual({ page: "sign_in", next: "/session/abc" });
});

test.each(["/session/", "/session/a/b", "/sessions", "/sessions/a/b", "/settings/a/b", "/settings/../x", "/invite/x", "/session/a%2fb", "/nothing", "//"])("%s is no page", (path) => {
  expect(parseRoute(path)).toEqual({ page: "unknown" });
});

test.each(["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/session/../x", "/settings/../x", "/audit/x"])(
  "signing in never leads to %s",
  (next) => {
    expect(parseRoute(`/sign-in?next=${encodeURIComponent(next)}`)).toEqual({ page: "sign_in", next: "/" });
  },
);
