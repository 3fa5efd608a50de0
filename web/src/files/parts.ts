/**
 * Where the parts of downloads lie: in the browser's private file system of this origin, a folder for each session. They
 * stay when the tab is closed, so that a download goes on; they go when the session has ended.
 */

const TOP = "parts";

async function top(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(TOP, { create: true });
}

/** The folder of a session's parts. */
export async function partsFolder(session: string): Promise<FileSystemDirectoryHandle> {
  return (await top()).getDirectoryHandle(session, { create: true });
}

/** Deletes a session's parts. */
export async function removeParts(session: string): Promise<void> {
  await (await top()).removeEntry(session, { recursive: true }).catch(() => undefined);
}

/** Deletes the parts of sessions that are over: they may have ended while no page was open. */
export async function removeOldParts(isOver: (session: string) => Promise<boolean>): Promise<void> {
  const folders = (await top()) as unknown as { keys(): AsyncIterable<string> };
  for await (const session of folders.keys()) if (await isOver(session)) await removeParts(session);
}
