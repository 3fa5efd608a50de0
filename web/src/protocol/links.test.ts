import { describe, expect, it } from "vitest";
import { decodeBase64url, formatDeploymentLink, LinkError, parseDeploymentLink, parseOrigin } from "./links";
import { fromHex, loadVectors } from "./testing/vectors";

const vectors = loadVectors<{
  origins: [string, string][];
  odd_origins: string[];
  insecure_origins: string[];
  damaged_after_origin: string[];
  link: { text: string; origin: string; invite: string; secret: string; access_password: string; url: string };
}>("links");

describe("deployment links", () => {
  it("are read and spelled as in Python", () => {
    const link = parseDeploymentLink(vectors.link.text);
    expect(link).toEqual({
      origin: vectors.link.origin,
      invite: fromHex(vectors.link.invite),
      secret: fromHex(vectors.link.secret),
      accessPassword: vectors.link.access_password,
    });
    expect(formatDeploymentLink(link)).toBe(vectors.link.url);
    expect(parseDeploymentLink(vectors.link.url)).toEqual(link);
  });

  it.each(vectors.damaged_after_origin)("refuse a damaged one: %s", (rest) => {
    expect(() => parseDeploymentLink(`https://relay.example${rest}`)).toThrow(LinkError);
  });

  it.each(vectors.origins)("have one origin: %s", (text, origin) => {
    expect(parseOrigin(text)).toBe(origin);
    expect(new URL(text).origin).toBe(origin);
  });

  it.each(vectors.odd_origins)("refuse the odd origin %j", (text) => {
    expect(() => parseOrigin(text, { allowInsecure: true })).toThrow(LinkError);
  });

  it.each(vectors.insecure_origins)("refuse %s unless told otherwise", (text) => {
    expect(() => parseOrigin(text)).toThrow("https");
    expect(parseOrigin(text, { allowInsecure: true })).toBe(text);
  });

  it.each(["é", "A", "AA=A", "AB", "AAAA"])("refuse %s as one byte of base64url", (text) => {
    expect(() => decodeBase64url(text, 1)).toThrow(LinkError);
  });
});
