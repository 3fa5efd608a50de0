/** What the page offers; the relay decides. */
import type { Me, Session } from "../api/types";

/** Whether somebody may connect to the session's computer in some way. */
export function mayConnect(me: Pick<Me, "permissions">, session: Pick<Session, "access">): boolean {
  return session.access !== "read" && me.permissions.includes("sessions.use");
}
