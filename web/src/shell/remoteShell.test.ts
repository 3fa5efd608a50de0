import { describe, expect, test } from "vitest";
import { utf8, type Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { MessageDecoder, encodeMessage } from "../protocol/messages";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";
import { MAX_WAITING_BYTES, RemoteShell } from "./remoteShell";

/** A computer that says what it is told to, then ends the stream or cuts it. */
function computer(said: (Bytes | "cut")[]) {
  const heard: { head: unknown; typed: string }[] = [];
  const closed: CloseReason[] = [];
  const channel = {
    send: (data: Bytes) => {
      for (const { head, body } of new MessageDecoder().feed(data)) heard.push({ head, typed: new TextDecoder().decode(body) });
      return Promise.resolve();
    },
    receive: () => {
      const next = said.shift();
      return next === "cut" ? Promise.reject(new StreamClosed(CloseReason.DEAD)) : Promise.resolve(next ?? null);
    },
    close: (reason: CloseReason) => void closed.push(reason),
  } as unknown as SealedChannel;
  return { heard, closed, shell: new RemoteShell(channel, { columns: 80, rows: 24.7 }) };
}

const run = async (said: (Bytes | "cut")[]) => {
  const { heard, closed, shell } = computer(said);
  const shown: string[] = [];
  const status = await shell.run((output) => Promise.resolve(void shown.push(new TextDecoder().decode(output))));
  return { heard, closed, shown, status };
};

describe("a shell", () => {
  test("says its size first, shows what comes, and tells how it ended", async () => {
    const { heard, shown, status, closed } = await run([encodeMessage({}, utf8("$ ")), encodeMessage({ exited: 3 })]);
    expect([heard, shown, status, closed]).toEqual([[{ head: { size: [80, 24] }, typed: "" }], ["$ "], 3, []]);
  });

  test("takes what is typed in pieces, and sizes as they can be", async () => {
    const { heard, shell } = computer([]);
    await shell.type("x".repeat(70_000));
    await shell.resize({ columns: 5000, rows: 0 });
    expect(heard.slice(1).map(({ head, typed }) => [head, typed.length])).toEqual([
      [{}, 65_536],
      [{}, 4464],
      [{ size: [1000, 1] }, 0],
    ]);
  });

  test("that asks its terminal without end and takes no answer is closed", async () => {
    const closed: CloseReason[] = [];
    const channel = { send: () => new Promise(() => undefined), close: (reason: CloseReason) => void closed.push(reason) };
    const shell = new RemoteShell(channel as unknown as SealedChannel, { columns: 80, rows: 24 });
    const answer = "x".repeat(1 << 16);
    for (let size = 0; size < MAX_WAITING_BYTES - 2 * answer.length; size += answer.length) void shell.type(answer);
    expect(closed).toEqual([]);
    for (let count = 0; count < 3; count++) void shell.type(answer);
    await Promise.resolve();
    expect(closed[0]).toBe(CloseReason.STALLED);
  });

  test("that was cut has no status", async () => {
    expect(await run([encodeMessage({}, utf8("$ ")), "cut"])).toMatchObject({ status: null, shown: ["$ "] });
  });

  test.each([
    ["a status that there is not", [encodeMessage({ exited: 256 })]],
    ["a status that is none", [encodeMessage({ exited: "0" })]],
    ["words after its end", [encodeMessage({ exited: 0 }), encodeMessage({}, utf8("$ "))]],
    ["no message at all", [utf8("xxxxxxxxxxxxxxxx")]],
  ])("%s closes the stream", async (_, said) => {
    expect((await run(said)).closed).toEqual([CloseReason.BAD_FRAME]);
  });
});
