/** The programs for customers, as the relay has them (`relay/api/downloads.py`). */
import { request } from "./client";
import type { DownloadState } from "./types";

export const downloadsApi = {
  get: () => request<{ downloads: DownloadState[] }>("GET", "/api/v1/downloads"),
};

/** The systems whose customers get nothing: on Linux either of two programs will do. */
export function systemsWithout(downloads: readonly DownloadState[]): readonly ("windows" | "linux")[] {
  const has = (target: DownloadState["target"]): boolean =>
    downloads.some((download) => download.target === target && download.host !== null);
  return [...(has("windows") ? [] : ["windows" as const]), ...(has("linux") || has("python") ? [] : ["linux" as const])];
}
