// Where tiles lie. Sizes in, positions out, all in whole pixels, so that edges and text are crisp.

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Size {
  readonly left: number;
  readonly top: number;
}

export type LayoutKind = "grid" | "speaker" | "single-speaker";

export interface Layout {
  readonly kind: LayoutKind;
  readonly isLight: boolean;
}

const KINDS: readonly string[] = ["grid", "speaker", "single-speaker"] satisfies LayoutKind[];

/** Of a name as requests have it, like "speaker-light"; "" is the default; undefined: no such layout. */
export function parseLayout(name: string): Layout | undefined {
  const [, kind = "", theme] = /^(.*?)(?:-(light|dark))?$/.exec(name || "grid") ?? [];
  return KINDS.includes(kind) ? { kind: kind as LayoutKind, isLight: theme === "light" } : undefined;
}

/** The name that such a layout has. */
export function nameLayout(layout: Layout): string {
  return layout.kind + (layout.isLight ? "-light" : "");
}

/** How many tiles are shown at most beside the large one, and in a grid. */
export const STRIP_SIZE = 3;
export const GRID_SIZE = 25;

/** A tile is about as wide as a camera's picture, or narrower where that makes it larger; a part of the
 * picture to the left and the right is not seen then. */
const WIDEST = 1.9;
const NARROWEST = 1;

/** The large tile has the rest of what the others beside it take. */
const STRIP_SHARE = 1 / 6;
const PORTRAIT_STRIP_SHARE = 1 / 5;

/** Between tiles, and around them. */
export function gapOf(canvas: Size): number {
  return Math.max(4, Math.round(Math.min(canvas.width, canvas.height) / 90));
}

function isPortrait(canvas: Size): boolean {
  return canvas.height > canvas.width;
}

function whole(canvas: Size): Rect {
  return { left: 0, top: 0, width: canvas.width, height: canvas.height };
}

function inset(rect: Rect, by: number): Rect {
  return {
    left: rect.left + by,
    top: rect.top + by,
    width: Math.max(1, rect.width - 2 * by),
    height: Math.max(1, rect.height - 2 * by),
  };
}

/** The largest size of these proportions in a cell. */
function largestIn(width: number, height: number): Size {
  const shape = width / height;
  return {
    width: Math.max(1, Math.floor(shape > WIDEST ? height * WIDEST : width)),
    height: Math.max(1, Math.floor(shape < NARROWEST ? width / NARROWEST : height)),
  };
}

function cellSize(area: Size, columns: number, rows: number, gap: number): Size {
  return largestIn(
    (area.width - gap * (columns - 1)) / columns,
    (area.height - gap * (rows - 1)) / rows,
  );
}

/** Tiles of one size in rows that are centred, as large as they can be. */
function rows(count: number, area: Rect, gap: number): Rect[] {
  let columns = 1;
  let size: Size = { width: 0, height: 0 };
  for (let tried = 1; tried <= count; tried++) {
    const its = cellSize(area, tried, Math.ceil(count / tried), gap);
    if (its.width * its.height > size.width * size.height) {
      columns = tried;
      size = its;
    }
  }
  const nRows = Math.ceil(count / columns);
  const top = area.top + Math.floor((area.height - nRows * (size.height + gap) + gap) / 2);
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = area.left + Math.floor((area.width - inRow * (size.width + gap) + gap) / 2);
    return {
      left: left + (i % columns) * (size.width + gap),
      top: top + row * (size.height + gap),
      ...size,
    };
  });
}

/** Equal tiles; one alone has everything. */
export function placeGrid(count: number, canvas: Size): Rect[] {
  const gap = gapOf(canvas);
  return count === 1 ? [whole(canvas)] : rows(count, inset(whole(canvas), gap), gap);
}

/** A large tile, which is the first, and a strip of small ones: at its left, or below it where the
 * canvas is higher than wide. */
export function placeSpeaker(others: number, canvas: Size): Rect[] {
  if (others === 0) return [whole(canvas)];
  const gap = gapOf(canvas);
  const area = inset(whole(canvas), gap);
  if (isPortrait(canvas)) {
    const slot = Math.floor((area.width - gap * (STRIP_SIZE - 1)) / STRIP_SIZE);
    const height = Math.min(Math.floor(area.height * PORTRAIT_STRIP_SHARE), slot);
    const strip = { ...area, top: area.top + area.height - height, height };
    const main = { ...area, height: area.height - height - gap };
    const left = area.left + Math.floor((area.width - others * (slot + gap) + gap) / 2);
    return [
      main,
      ...Array.from({ length: others }, (_, i) => ({
        ...strip,
        left: left + i * (slot + gap),
        width: slot,
      })),
    ];
  }
  const width = Math.floor(canvas.width * STRIP_SHARE);
  const slot = Math.floor((area.height - gap * (STRIP_SIZE - 1)) / STRIP_SIZE);
  const height = Math.min(slot, Math.floor((width * 3) / 4));
  const top = area.top + Math.floor((area.height - others * (height + gap) + gap) / 2);
  return [
    { ...area, left: area.left + width + gap, width: area.width - width - gap },
    ...Array.from({ length: others }, (_, i) => ({
      left: area.left,
      top: top + i * (height + gap),
      width,
      height,
    })),
  ];
}

/** How a picture lies in its tile, in CSS's words of object-fit. */
export type Fit = "cover" | "contain" | "none";

/** Up to this much more than the tile is left out rather than scaled away: sharper, and cheaper. */
const SLACK = 1.04;

/** Of a picture that is higher than its tile, this much must be seen. */
const LEAST_HEIGHT = 0.7;

/** Cameras fill their tile: who is in front of one sits in its middle. But not pictures of phones that
 * are held upright in a wide tile: of those too much would be lost. */
export function fitCamera(picture: Size, tile: Size): Fit {
  const wider = picture.width / tile.width;
  const higher = picture.height / tile.height;
  if (wider >= 1 && wider <= SLACK && higher >= 1 && higher <= SLACK) return "none";
  return wider / higher < LEAST_HEIGHT ? "contain" : "cover";
}
