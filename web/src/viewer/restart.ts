/** Asks the host to restart its computer (docs/protocol.md §14). */
import { CloseReason } from "../protocol/closeReasons";
import { RemoteProtocolError } from "../protocol/errors";
import { encodeMap } from "../protocol/maps";
import { MessageFields } from "../protocol/messages";
import { Requests } from "../tools/requests";
import type { SealedChannel } from "../tunnel/sealedChannel";

/** When the program comes back: as soon as the computer runs, or when somebody signs in there. */
export type WayBack = "boot" | "sign_in";

/** What makes a `control` stream one for this. */
export const RESTART_CLAIMS = encodeMap({ act: "restart" });

const MAX_WAIT = 300;

/**
 * Asks on a stream that is for it, and resolves once the computer goes down.
 *
 * @param onWaits is told the seconds in which the customer can say no.
 * @param signal takes it back.
 * @throws RequestRefused, StreamClosed.
 */
export async function askRestart(
  channel: SealedChannel,
  onWaits: (seconds: number) => void,
  signal: AbortSignal,
): Promise<WayBack> {
  const requests = new Requests(channel);
  const abort = (): void => requests.close(CloseReason.DETACHED);
  signal.addEventListener("abort", abort);
  try {
    const { head } = await requests.ask("restart", { mode: "normal" }, ({ head }) => {
      onWaits(new MessageFields(head).number("waits", 0, MAX_WAIT));
    });
    const ok = head["ok"];
    if (typeof ok !== "object" || ok === null) throw new RemoteProtocolError("An answer without a content.");
    return (ok as Record<string, unknown>)["way"] === "sign_in" ? "sign_in" : "boot";
  } finally {
    signal.removeEventListener("abort", abort);
    requests.close();
  }
}
