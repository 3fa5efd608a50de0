/** Makes a logo of any picture, a PNG, which is all that customers' windows read: small enough for mails and pages, and without whatever else the file carried. */

/** The relay's limit for the bytes of a logo. */
export const MAX_LOGO_BYTES = 64 * 1024;

/** Pixels; it is shown at most half as large. */
const LARGEST = { width: 480, height: 160 } as const;
/** Each try is smaller than the one before, until it fits. */
const SCALES = [1, 0.75, 0.5, 0.35, 0.25] as const;

/** The file is no picture that this browser can read. */
export class NotAPicture extends Error {}

export interface Logo {
  readonly mediaType: "image/png";
  readonly blob: Blob;
}

/**
 * @param file any picture that the browser can draw, SVG included: it is drawn, never passed on.
 * @throws NotAPicture
 */
export async function logoOf(file: Blob): Promise<Logo> {
  const picture = await load(file);
  for (const scale of SCALES) {
    const size = fitInto(picture.naturalWidth, picture.naturalHeight, {
      width: LARGEST.width * scale,
      height: LARGEST.height * scale,
    });
    const blob = await draw(picture, size);
    if (blob.size <= MAX_LOGO_BYTES) return { mediaType: "image/png", blob };
  }
  throw new NotAPicture();
}

/** The largest size of the same shape within bounds, never larger than it is; whole pixels, at least one. */
export function fitInto(
  width: number,
  height: number,
  bounds: { readonly width: number; readonly height: number },
): { width: number; height: number } {
  const scale = Math.min(1, bounds.width / width, bounds.height / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

async function load(file: Blob): Promise<HTMLImageElement> {
  const url = URL.createObjectURL(file);
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
  } catch {
    throw new NotAPicture();
  } finally {
    URL.revokeObjectURL(url);
  }
  if (picture.naturalWidth === 0 || picture.naturalHeight === 0) throw new NotAPicture();
  return picture;
}

async function draw(picture: HTMLImageElement, size: { width: number; height: number }): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height;
  const context = canvas.getContext("2d");
  if (context === null) throw new NotAPicture();
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, size.width, size.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob === null) throw new NotAPicture();
  return blob;
}
