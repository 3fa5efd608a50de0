/** Asks the host to restart its computer (docs/protocol.md §14). */
import { CloseReason } from "../protocol/closeReasons";
import { encodeMap } from "../protocol/maps";
import { MessageFields } from "../protocol/messages";
import { Requests } from "../tools/requests";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";

/** When the program comes back: as soon as the computer runs, or when somebody signs in there. */
export type WayBack = "boot" | "sign_in";

/** What makes a `control` stream one for this. */
export const RESTART_CLAIMS = encodeMap({ act: "restart" });

const MAX_WAIT = 300;
const MAX_WORD = 16;

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
  let way: WayBack | null = null;
  try {
    await requests.ask("restart", { mode: "normal" }, ({ head }) => {
      const fields = new MessageFields(head);
      if ("begins" in head) way = fields.text("begins", MAX_WORD) === "sign_in" ? "sign_in" : "boot";
      else onWaits(fields.number("waits", 0, MAX_WAIT));
    });
    return way ?? "boot";
  } catch (error) {
    // It went down before it could say that it does.
    if (error instanceof StreamClosed && way !== null) return way;
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
    requests.close();
  }
}
