// Puts the scene that the director has chosen on the page.

import { Director, EMPTY, type Scene } from "./choice";
import { type Layout, placeGrid, placeSpeaker } from "./layout";
import type { Guest } from "./room";
import { Tile } from "./tile";
import { Voices } from "./voices";

export class Stage {
  private readonly director = new Director();
  private readonly voices = new Voices();
  private readonly tiles = new Map<string, Tile>();
  private guests: readonly Guest[] = [];
  private scene: Scene = EMPTY;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `onPicture`: a picture is seen, in step with its sound. */
  constructor(
    private readonly root: HTMLElement,
    private layout: Layout,
    private readonly onPicture: () => void,
  ) {
    addEventListener("resize", () => this.draw());
    this.setLayout(layout);
  }

  setLayout(layout: Layout): void {
    this.layout = layout;
    document.documentElement.classList.toggle("light", layout.isLight);
    this.direct();
  }

  /** `speaking`: identities, the loudest first. */
  update(guests: readonly Guest[], speaking: readonly string[]): void {
    this.guests = guests;
    this.voices.update(speaking, performance.now());
    this.direct();
  }

  private direct(): void {
    const now = performance.now();
    this.scene = this.director.direct(this.layout.kind, this.guests, this.voices, now);
    this.draw();
    const silence = this.voices.nextSilence(now);
    const next = Math.min(this.scene.again ?? Infinity, silence ?? Infinity);
    clearTimeout(this.timer);
    if (next < Infinity) this.timer = setTimeout(() => this.direct(), Math.ceil(next));
  }

  private draw(): void {
    const { main, others } = this.scene;
    const keys = main === undefined ? others : [main, ...others];
    const canvas = { width: innerWidth, height: innerHeight };
    const place = main === undefined ? placeGrid : placeSpeaker;
    const rects = place(main === undefined ? keys.length : others.length, canvas);
    const now = performance.now();

    this.root.classList.toggle("alone", keys.length === 1);
    for (const [key, tile] of this.tiles) {
      if (keys.includes(key)) continue;
      tile.close();
      this.tiles.delete(key);
    }
    for (const guest of this.guests) {
      const rect = rects[keys.indexOf(guest.key)];
      if (rect === undefined) continue;
      this.tileOf(guest).update(guest, rect, this.voices.isHeard(guest.identity, now));
    }
  }

  private tileOf(guest: Guest): Tile {
    let tile = this.tiles.get(guest.key);
    if (tile === undefined) {
      tile = new Tile(guest, this.onPicture);
      this.tiles.set(guest.key, tile);
      this.root.append(tile.element);
    }
    return tile;
  }
}
