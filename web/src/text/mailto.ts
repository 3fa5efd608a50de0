/** `mailto:` links (RFC 6068) for the technician's own mail program. */

/** @returns a `mailto:` URL; line breaks of `body` become CRLF, as the RFC wants them (§5). */
export function mailtoUrl(address: string, subject: string, body: string): string {
  // "@" stays readable; everything else that could end the address is escaped.
  const to = encodeURIComponent(address).replaceAll("%40", "@");
  const text = encodeURIComponent(body.replaceAll(/\r?\n/g, "\r\n"));
  return `mailto:${to}?subject=${encodeURIComponent(subject)}&body=${text}`;
}
