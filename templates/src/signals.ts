// When the recording starts and ends, which is said once, and which layout is shown.

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
  private timer: ReturnType<typeof setTimeout> | undefined;
  private state: "waiting" | "started" | "ended" = "waiting";
  private layout: string | undefined;

  constructor(private readonly say: (...words: string[]) => void) {}

  /** That is on the page from now on; also the first. */
  show(layout: string): void {
    if (layout === this.layout) return;
    this.layout = layout;
    this.say("LAYOUT", layout);
  }

  update(media: Media): void {
    if (this.state !== "waiting") return;
    clearTimeout(this.timer);
    const delay = this.rule.delay(media, performance.now());
    if (delay !== undefined) this.timer = setTimeout(() => this.start(), delay);
  }

  /** A picture is seen, in step with its sound. */
  start(): void {
    clearTimeout(this.timer);
    if (this.state !== "waiting") return;
    this.state = "started";
    this.say("START_RECORDING");
  }

  end(): void {
    clearTimeout(this.timer);
    if (this.state === "ended") return;
    this.state = "ended";
    this.say("END_RECORDING");
  }
}
