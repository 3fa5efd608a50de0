/** Lines to paste in a terminal, made of text that other people may have influenced. */
import type { HostFile } from "../api/types";

/**
 * One word of POSIX shell, whatever is in it (POSIX.1-2017, Shell Command Language §2.2.2: nothing is special
 * between single quotes). Control characters are refused: a pasted line break would run what is behind it.
 *
 * @throws RangeError if `text` has control characters.
 */
export function shellQuote(text: string): string {
  if (/\p{Cc}/u.test(text)) throw new RangeError("A shell word must not have control characters.");
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The line that downloads the temporary host and starts it with the whole deployment link.
 *
 * The file goes to a fresh folder of its own, so that nothing of the same name is overwritten or run by mistake.
 *
 * @param origin of the relay, as in `location.origin`.
 * @param invite 22 characters of base64url.
 * @param link the whole deployment link with its fragment. It reaches the program only; what is downloaded is asked
 *   for by the address without it.
 * @param host one that runs on Linux.
 */
export function hostCommand(origin: string, invite: string, link: string, host: Pick<HostFile, "target" | "file">): string {
  const file = shellQuote(`${origin}/d/${invite}/${host.file}`);
  const download = `{ curl -fsSLo "$f" ${file} || wget -qO "$f" ${file}; }`;
  return `f="$(mktemp -d)"/${shellQuote(host.file)} && ${download} && ${startOf(host)} ${shellQuote(link)}`;
}

/**
 * The line that starts a host file which the browser has saved where it saves downloads, with the link in it. Of several
 * copies ("adhoc-host (1).pyz") the newest is meant.
 */
export function savedHostCommand(host: Pick<HostFile, "target" | "file">): string {
  const [stem = "", ...ending] = host.file.split(".");
  const copies = `${shellQuote(stem)}*${ending.length > 0 ? shellQuote(`.${ending.join(".")}`) : ""}`;
  const places = `"$(xdg-user-dir DOWNLOAD 2>/dev/null)"/${copies} "$HOME"/Downloads/${copies}`;
  return `f="$(ls -t ${places} 2>/dev/null | head -n 1)" && ${startOf(host)}`;
}

function startOf({ target }: Pick<HostFile, "target">): string {
  return target === "python" ? `python3 "$f"` : `chmod +x "$f" && "$f"`;
}
