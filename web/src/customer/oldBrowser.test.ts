import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { parseAst } from "vite";
import { expect, test } from "vitest";

const SOURCE = readFileSync(new URL("oldBrowser.js", import.meta.url), "utf8");
const INVITE = "AAECAwQFBgcICQoLDA0ODw";

/** What ECMAScript 5 has, of all that a parser may find. */
const OF_1999 = new Set(
  (
    "Program ExpressionStatement BlockStatement EmptyStatement IfStatement ReturnStatement TryStatement CatchClause ThrowStatement " +
    "ForStatement WhileStatement BreakStatement ContinueStatement FunctionDeclaration FunctionExpression VariableDeclaration " +
    "VariableDeclarator Identifier Literal ObjectExpression Property ArrayExpression MemberExpression CallExpression " +
    "NewExpression AssignmentExpression BinaryExpression LogicalExpression UnaryExpression UpdateExpression " +
    "ConditionalExpression ParenthesizedExpression"
  ).split(" "),
);

test("the script is understood by a browser of 2010", () => {
  const strangers: string[] = [];
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(walk);
    if (typeof node !== "object" || node === null) return;
    const { type, kind, async, generator, shorthand, method, computed, optional } = node as Record<string, unknown>;
    const isStrange =
      (typeof type === "string" && !OF_1999.has(type)) ||
      kind === "let" ||
      kind === "const" ||
      [async, generator, shorthand, method, optional].includes(true) ||
      (type === "Property" && computed === true) ||
      (type === "CatchClause" && (node as { param: unknown }).param === null);
    if (isStrange) strangers.push(JSON.stringify(node).slice(0, 200));
    Object.values(node).forEach(walk);
  };
  walk(parseAst(SOURCE));
  expect(strangers).toEqual([]);
});

/** As much of a document as the script touches. */
class Element {
  readonly children: (Element | string)[] = [];
  readonly attributes: Record<string, string> = {};
  href = "";
  value = "";
  className = "";
  constructor(readonly name: string) {}
  appendChild(child: Element | string): void {
    this.children.push(child);
  }
  setAttribute(name: string, value: string): void {
    this.attributes[name] = value;
  }
  get text(): string {
    return this.children.map((child) => (typeof child === "string" ? child : child.text)).join("\n");
  }
  all(name: string): Element[] {
    const below = this.children.flatMap((child) => (typeof child === "string" ? [] : child.all(name)));
    return this.name === name ? [this, ...below] : below;
  }
}

/** Runs the script in a browser without `fetch`; what the relay answers is `facts`. */
function open(facts: unknown, { hash = "#AAAAAAAAAAAAAAAAAAAAAA.secret", language = "en-GB" } = {}) {
  const page = new Element("div");
  const root = new Element("html");
  const asked: string[] = [];
  const location = { pathname: `/d/${INVITE}`, hash, href: `https://relay.example/d/${INVITE}${hash}` };
  class Request {
    readyState = 0;
    status = 0;
    responseText = "";
    onreadystatechange = (): void => undefined;
    open(method: string, url: string): void {
      asked.push(`${method} ${url}`);
    }
    send(): void {
      this.readyState = 4;
      this.status = facts === null ? 404 : 200;
      this.responseText = JSON.stringify(facts);
      this.onreadystatechange();
    }
  }
  const document = {
    readyState: "complete",
    documentElement: root,
    createElement: (name: string) => new Element(name),
    createTextNode: (text: string) => text,
    getElementById: () => page,
  };
  const scope = { document, location, navigator: { language }, XMLHttpRequest: Request };
  runInContext(SOURCE, createContext({ ...scope, window: scope }));
  return { page, asked, isOld: "data-old" in root.attributes };
}

const OPEN = {
  state: "open",
  company: "Acme",
  phone: "+34 600 000 000",
  technician: "Alice {company}",
  hosts: [
    { target: "windows", file: "adhoc-host.exe", size: 19950723, sha256: "ab".repeat(32), signer: "Acme {size}" },
    { target: "toaster", file: "adhoc-host.bin" },
    { target: "linux", file: "//evil.example/x" },
  ],
};

test("an old browser gets the program as it is, and the link to paste; the fragment is sent nowhere", () => {
  const { page, asked, isOld } = open(OPEN);
  expect(isOld).toBe(true);
  expect(page.text).toContain("Alice {company} of Acme would like to help you");
  expect(page.all("a").map(({ href }) => href)).toEqual([`/d/${INVITE}/adhoc-host.exe`]);
  expect(page.all("input").map(({ value }) => value)).toEqual([`https://relay.example/d/${INVITE}#AAAAAAAAAAAAAAAAAAAAAA.secret`]);
  expect(page.text).toContain("Phone: +34 600 000 000");
  expect(page.text).toContain(`20 MB; signed by Acme {size}; SHA-256:\n${"ab".repeat(32)}`);
  expect(page.text).not.toContain("On Linux");
  expect(asked).toEqual([`GET /api/v1/links/${INVITE}`]);
});

test("what is not signed says so, and Linux is told to let it run", () => {
  const linux = { target: "linux", file: "adhoc-host-linux", size: 1e6, sha256: "0".repeat(64), signer: null };
  const { page } = open({ ...OPEN, hosts: [linux] }, { language: "es" });
  expect(page.text).toContain("1 MB; firmado por nadie; SHA-256:");
  expect(page.text).toContain("permita antes que se ejecute");
});

test("it speaks the browser's language", () => {
  expect(open(OPEN, { language: "es-MX" }).page.text).toContain("quiere ayudarle");
});

test.each([
  [null, {}, "does not work any more"],
  [{ ...OPEN, state: "used" }, {}, "does not work any more"],
  [{ ...OPEN, hosts: [] }, {}, "not available at the moment"],
  [OPEN, { hash: "#short" }, "not complete"],
])("%j with %j says %s", (facts, more, words) => {
  const { page } = open(facts, more);
  expect(page.text).toContain(words);
  expect(page.all("a")).toEqual([]);
});
