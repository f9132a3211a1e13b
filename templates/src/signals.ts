// When the recording starts and ends: said on the console, where the service listens. Each is said
// once.

/** How long a room may go without a picture, from the first track on: that long if no video is to be
 * expected, in case some comes right behind, ... */
const SILENT_MS = 500;

/** ...and that long if some is. */
const PATIENCE_MS = 5000;

export interface Media {
  /** Tracks of any kind that are received. */
  readonly subscribed: number;
  /** Videos that are published and not muted. */
  readonly videos: number;
}

/** Decides when to start; is told what there is whenever that changes. */
export class StartRule {
  private subscribedAt: number | undefined;

  /** After how many milliseconds to start if nothing changes; undefined: not yet to be said. */
  delay(media: Media, now: number): number | undefined {
    if (media.subscribed === 0) {
      this.subscribedAt = undefined;
      return undefined;
    }
    this.subscribedAt ??= now;
    const wait = media.videos === 0 ? SILENT_MS : PATIENCE_MS;
    return Math.max(0, this.subscribedAt + wait - now);
  }
}

export class Signals {
  private readonly rule = new StartRule();
  private timer: number | undefined;
  private state: "waiting" | "started" | "ended" = "waiting";

  update(media: Media): void {
    if (this.state !== "waiting") return;
    clearTimeout(this.timer);
    const delay = this.rule.delay(media, performance.now());
    if (delay !== undefined) this.timer = window.setTimeout(() => this.start(), delay);
  }

  /** A picture is seen. */
  start(): void {
    clearTimeout(this.timer);
    if (this.state !== "waiting") return;
    this.state = "started";
    console.log("START_RECORDING");
  }

  end(): void {
    clearTimeout(this.timer);
    if (this.state === "ended") return;
    this.state = "ended";
    console.log("END_RECORDING");
  }
}
