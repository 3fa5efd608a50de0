/** What the relay tells a viewer (docs/protocol.md §3, §4). Texts about the computer are untrusted: clean them. */
import { CloseReason } from "../protocol/closeReasons";
import { FieldReader, type Fields } from "../protocol/frames";

/** The relay's answer to an admitted viewer. Times are Unix seconds by the relay's clock. */
export interface Welcome {
  session: string;
  state: string;
  viewer: number;
  hostOnline: boolean;
  computer: string | null;
  os: string | null;
  user: string | null;
  kinds: string[];
  /** Which security code is current, from 1. */
  code: number;
  /** Tries used of it. */
  tries: number;
  /** Tries of all codes; the next attempt's number is one more. */
  attempts: number;
  expiresAt: number | null;
  now: number;
}

export type Notice =
  | { name: "host_online"; computer: string; os: string; user: string }
  | { name: "host_offline" }
  | { name: "tries"; code: number; tries: number; attempts: number }
  | { name: "renewed"; code: number }
  | { name: "active"; expiresAt: number }
  | { name: "ended"; reason: CloseReason }
  | { name: "move"; within: number };

/** @throws RemoteProtocolError if a field is missing or of another type. */
export function readWelcome(fields: Fields): Welcome {
  const reader = new FieldReader(fields);
  return {
    session: reader.text("session"),
    state: reader.text("state"),
    viewer: reader.number("viewer"),
    hostOnline: reader.flag("host_online"),
    computer: reader.optionalText("computer"),
    os: reader.optionalText("os"),
    user: reader.optionalText("user"),
    kinds: reader.texts("kinds"),
    code: reader.number("code"),
    tries: reader.number("tries"),
    attempts: reader.number("attempts"),
    expiresAt: reader.optionalNumber("expires_at"),
    now: reader.number("now"),
  };
}

/** The notice, or null for one that only a newer viewer understands. */
export function readNotice(name: string, fields: Fields): Notice | null {
  const reader = new FieldReader(fields);
  switch (name) {
    case "host_online":
      return { name, computer: reader.text("computer"), os: reader.text("os"), user: reader.text("user") };
    case "host_offline":
      return { name };
    case "tries":
      return {
        name,
        code: reader.number("code"),
        tries: reader.number("tries"),
        attempts: reader.number("attempts"),
      };
    case "renewed":
      return { name, code: reader.number("code") };
    case "active":
      return { name, expiresAt: reader.number("expires_at") };
    case "ended":
      return { name, reason: CloseReason.fromWire(reader.text("reason")) };
    case "move":
      return { name, within: reader.number("within") };
    default:
      return null;
  }
}
