import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clean } from "./clean";
import { codeGroups, formatCountdown, formatRate, formatSize, formatSpan, isoDuration, spokenCode } from "./format";
import { mailtoUrl } from "./mailto";
import { hostCommand, savedHostCommand, shellQuote } from "./shell";

const PYTHON = { target: "python", file: "adhoc-host.pyz" } as const;
const LINUX = { target: "linux", file: "adhoc-host-linux" } as const;

describe("clean", () => {
  test.each([
    ["ANNA-PC", "ANNA-PC"],
    ["  two\n lines\t", "two lines"],
    ["a\u202egnp.exe", "agnp.exe"],
    ["zero\u200bwidth\u2066\u2069", "zerowidth"],
    ["bell\u0007\u001b[31m", "bell[31m"],
    ["tag\u{e0041}s", "tags"],
    ["lone\ud800", "lone"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
    ["Ñandú 日本 🙂", "Ñandú 日本 🙂"],
  ])("%j becomes %j", (text, cleaned) => {
    expect(clean(text)).toBe(cleaned);
  });

  test("long text is cut between characters and ends with an ellipsis", () => {
    expect(clean("🙂".repeat(50), 10)).toBe(`${"🙂".repeat(9)}…`);
  });

  test.each([null, undefined, 7, {}, []])("%j, which is no text, becomes empty", (value) => {
    expect(clean(value)).toBe("");
  });
});

describe("format", () => {
  test.each([
    [86_400, "24:00:00"],
    [3_600, "1:00:00"],
    [3_599.2, "1:00:00"],
    [599, "9:59"],
    [0.4, "0:01"],
    [0, "0:00"],
    [-5, "0:00"],
  ])("%d seconds are shown as %s", (seconds, shown) => {
    expect(formatCountdown(seconds)).toBe(shown);
  });

  test("a length of time is told in its largest unit", () => {
    expect(formatSpan(86_400, "en")).toBe("24 hours");
    expect(formatSpan(5_400, "es")).toBe("1,5 horas");
    expect(formatSpan(60, "en")).toBe("1 minute");
    expect(formatSpan(25, "es")).toBe("25 segundos");
  });

  test("a duration for machines never goes below zero", () => {
    expect([isoDuration(61.2), isoDuration(-1)]).toEqual(["PT62S", "PT0S"]);
  });

  test("a code has three groups, and is spoken digit by digit", () => {
    expect(codeGroups("012345678")).toEqual(["012", "345", "678"]);
    expect(spokenCode("012345678").replaceAll("\u00a0", " ")).toBe("0 1 2, 3 4 5, 6 7 8");
  });

  test("rates and sizes use the reader's decimal sign", () => {
    expect(formatRate(1_234, "es")).toBe("1,2 kB/s");
    expect(formatRate(123_456, "en")).toBe("123 kB/s");
    expect(formatSize(2_500_000, "en")).toBe("2.5 MB");
    expect(formatSize(900, "en")).toBe("0.9 kB");
  });
});

describe("shell", () => {
  const words = ["plain", "it's", "$(touch x)", "a b", "`id`", 'dou"ble', "\\", "é&|;<>*?!#~"];

  test.each(words)("%j comes through a real shell as one word", (word) => {
    expect(execFileSync("sh", ["-c", `printf %s ${shellQuote(word)}`], { encoding: "utf8" })).toBe(word);
  });

  test.each(["a\nb", "a\rb", "a\u001bb"])("%j is refused", (word) => {
    expect(() => shellQuote(word)).toThrow(RangeError);
  });

  test("the host gets the whole link, and the download's address has no fragment", () => {
    const link = "https://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA#BBBBBBBBBBBBBBBBBBBBBB.it%27s";
    const line = hostCommand("https://relay.example", "AAAAAAAAAAAAAAAAAAAAAA", link, PYTHON);
    const stubs = 'curl() { echo "curl $*" >&2; }; python3() { printf "%s" "$2"; }; mktemp() { echo /nowhere; };';
    expect(execFileSync("sh", ["-c", stubs + line], { encoding: "utf8", stdio: "pipe" })).toBe(link);
    expect(line.match(/https:[^' ]*adhoc-host\.pyz/g)).toEqual(
      Array(2).fill("https://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA/adhoc-host.pyz"),
    );
  });

  test("without curl the line falls back to wget", () => {
    const line = hostCommand("https://relay.example", "A", "https://relay.example/d/A#B.C", PYTHON);
    const stubs = 'curl() { return 127; }; wget() { printf "wget "; }; python3() { printf "%s" "$2"; };';
    expect(execFileSync("sh", ["-c", stubs + line], { encoding: "utf8" })).toBe("wget https://relay.example/d/A#B.C");
  });

  test("an executable is made one before it is started", () => {
    const line = hostCommand("https://relay.example", "A", "https://relay.example/d/A#B.C", LINUX);
    const folder = mkdtempSync(join(tmpdir(), "host-"));
    try {
      const stubs = `mktemp() { echo ${folder}; }; curl() { printf '#!/bin/sh\nprintf "%%s" "$1"' > "$2"; };`;
      expect(execFileSync("sh", ["-c", stubs + line], { encoding: "utf8" })).toBe("https://relay.example/d/A#B.C");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    [PYTHON, ["adhoc-host.pyz", "adhoc-host (1).pyz", "other.pyz"], "adhoc-host (1).pyz"],
    [LINUX, ["adhoc-host-linux", "adhoc-host-linux (2)", "adhoc-host.pyz"], "adhoc-host-linux (2)"],
  ])("of several saved copies the newest is started, where downloads go: %j", (host, names, newest) => {
    const home = mkdtempSync(join(tmpdir(), "ana maría "));
    try {
      mkdirSync(join(home, "Downloads"));
      for (const [age, name] of names.entries()) {
        const file = join(home, "Downloads", name);
        writeFileSync(file, '#!/bin/sh\nprintf "%s" "$0"');
        const at = name === newest ? 2000 : 1000 - age;
        utimesSync(file, at, at);
      }
      const stubs = 'python3() { printf "%s" "$1"; };';
      const env = { PATH: process.env["PATH"], HOME: home };
      expect(execFileSync("/bin/sh", ["-c", stubs + savedHostCommand(host)], { encoding: "utf8", env })).toBe(join(home, "Downloads", newest));
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});

test("a mailto link keeps everything of the message inside the message", () => {
  const url = mailtoUrl("ana+x@example.com?bcc=eve@example.com", "Help & more", "line 1\nhttps://r/d/A#B.C");
  expect(url).toBe(
    "mailto:ana%2Bx@example.com%3Fbcc%3Deve@example.com?subject=Help%20%26%20more" +
      "&body=line%201%0D%0Ahttps%3A%2F%2Fr%2Fd%2FA%23B.C",
  );
});
