// One tile: a picture, or what stands for it, and a name. Nothing in it moves by itself: what does not
// change costs nothing.

import type { RemoteTrack } from "livekit-client";
import { fitCamera, type Rect } from "./layout";
import { initialsOf, numberOf } from "./names";
import type { Guest } from "./room";

/** As many as page.css has. */
const COLOURS = 8;

/** Of a player, the first picture is shown when it comes, 100 ms before its sound; those after it at their
 * time. And it is hidden until then, so that the page may be drawn once more without it. */
const PICTURES_IN_STEP = 3;

/** What hardly moves, as a screen, need not have so many. */
const STEP_PATIENCE_MS = 500;

const ICONS = {
  muted:
    "M9 5a3 3 0 0 1 6 0v5.2l-6-6M15 13.6A3 3 0 0 1 9 12v-1M5 11v1a7 7 0 0 0 11.6 5.2M19 11v1q0 1.4-.5 2.7M12 19v3M3 3l18 18",
  screen: "M3 4h18v12H3zM8 20h8M12 16v4",
  person: "M12 12a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM4 21a8 8 0 0 1 16 0",
};

function icon(name: keyof typeof ICONS): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.classList.add("icon", `icon-${name}`);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function element(name: string, ...children: Node[]): HTMLElement {
  const made = document.createElement("div");
  made.className = name;
  made.append(...children);
  return made;
}

export class Tile {
  readonly element: HTMLElement;
  private readonly disc = element("disc");
  private readonly name = document.createElement("bdi");
  private picture: HTMLVideoElement | undefined;
  private track: RemoteTrack | undefined;
  private rect: Rect = { left: 0, top: 0, width: 1, height: 1 };
  private initials: string | undefined;
  private isOn = false;

  /** `onPicture`: a picture is seen, in step with its sound. */
  constructor(
    private guest: Guest,
    private readonly onPicture: () => void,
  ) {
    const label = element("label", icon("screen"), icon("muted"), this.name);
    this.element = element(`tile ${guest.kind}`, this.disc, label);
    this.element.dataset["colour"] = String(numberOf(guest.identity, COLOURS));
  }

  update(guest: Guest, rect: Rect, isSpeaking: boolean): void {
    this.guest = guest;
    this.move(rect);
    this.element.classList.toggle("speaking", isSpeaking);
    this.element.classList.toggle("silent", guest.isMuted);
    if (this.name.textContent !== guest.name) this.name.textContent = guest.name;
    this.drawDisc(guest.kind === "screen" ? "" : initialsOf(guest.name));
    this.play();
  }

  /** Lets go of the picture. */
  close(): void {
    this.release();
    this.element.remove();
  }

  private move(rect: Rect): void {
    const { style } = this.element;
    this.rect = rect;
    style.left = `${rect.left}px`;
    style.top = `${rect.top}px`;
    style.width = `${rect.width}px`;
    style.height = `${rect.height}px`;
    style.setProperty("--side", `${Math.min(rect.width, rect.height)}px`);
  }

  private drawDisc(initials: string): void {
    if (initials === this.initials) return;
    this.initials = initials;
    const drawn = this.guest.kind === "screen" ? icon("screen") : icon("person");
    this.disc.replaceChildren(initials === "" ? drawn : initials);
  }

  private play(): void {
    const { video, hasVideo } = this.guest;
    const track = video?.track;
    if (track !== this.track) {
      this.release();
      this.track = track;
      if (track !== undefined) this.attach(track);
    }
    // What is left of the time before a mute must not be seen: wait for a new picture.
    if (hasVideo && !this.isOn) this.afterPictures(1, () => this.show());
    if (!hasVideo) this.element.classList.remove("live");
    this.isOn = hasVideo && track !== undefined;
    this.fit();
  }

  private attach(track: RemoteTrack): void {
    const picture = document.createElement("video");
    picture.addEventListener("resize", () => this.fit());
    picture.addEventListener("emptied", () => this.element.classList.remove("live"));
    this.picture = picture;
    this.element.prepend(picture);
    track.attach(picture);
  }

  private release(): void {
    if (this.picture !== undefined) {
      this.track?.detach(this.picture);
      this.picture.remove();
    }
    this.element.classList.remove("live");
    this.picture = undefined;
    this.track = undefined;
    this.isOn = false;
  }

  private show(): void {
    if (!this.isOn) return;
    this.element.classList.add("live");
    const { picture } = this;
    const tell = () => {
      if (this.picture === picture && this.isOn) this.onPicture();
    };
    this.afterPictures(PICTURES_IN_STEP - 1, tell);
    setTimeout(tell, STEP_PATIENCE_MS);
  }

  /** When so many pictures have come; never, if it is let go of or turned off before. (Not by video frame
   * callbacks: Chromium (156) that owes one to a player without pictures does not decode any more when there
   * are pictures again.) */
  private afterPictures(count: number, then: () => void): void {
    const { picture } = this;
    if (picture === undefined) return;
    let last = picture.getVideoPlaybackQuality().totalVideoFrames;
    let left = count;
    const look = () => {
      if (picture !== this.picture || !this.isOn) return;
      const { totalVideoFrames: now } = picture.getVideoPlaybackQuality();
      // A player that begins anew begins at 0.
      left -= now < last ? now : now - last;
      last = now;
      if (left > 0) requestAnimationFrame(look);
      else then();
    };
    requestAnimationFrame(look);
  }

  private fit(): void {
    const { kind, video } = this.guest;
    if (this.picture === undefined || video === undefined) return;
    const { videoWidth: width, videoHeight: height } = this.picture;
    const size = width > 0 && height > 0 ? { width, height } : (video.dimensions ?? this.rect);
    this.picture.style.objectFit = kind === "screen" ? "contain" : fitCamera(size, this.rect);
  }
}
