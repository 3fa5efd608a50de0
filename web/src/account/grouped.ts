/** A long secret in groups of four, as one copies it by hand. */
export function grouped(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(" ") ?? "";
}

/** The recovery codes as a text file that still makes sense in a year. */
export function codesText(codes: readonly string[], about: string): string {
  return `${about}\n\n${codes.join("\n")}\n`;
}
