// Chromium decodes pictures at its ticks, which are the instants at which it may draw: each at the last tick
// before it is due. Where pictures come as often as ticks and are due right at one, now two fall into one
// interval and now none does, and of two only one is ever seen. So they are made due mid-way between ticks.

/** Waits that have pictures due mid-way between two ticks: `atMs`, and any number of `everyMs` more or less. */
export interface Slots {
  readonly atMs: number;
  readonly everyMs: number;
}

/** By how much sooner than a picture has waited it is due to be decoded. (Measured, at 60 Hz: with half an
 * interval more or less, frames are lost.) */
const DUE_MS = 12;

/** What is averaged over, at most and at least. */
const ARRIVALS = 16;
const MIN_ARRIVALS = 4;

/** From 0, arrivals all over the interval, to 1, all at one place: less is no rhythm that ticks share. */
const MIN_SHARED = 0.5;

export function isSameInterval(oneMs: number, otherMs: number): boolean {
  return Math.abs(oneMs - otherMs) < 0.1 * oneMs;
}

/** When the pictures of a stream arrive. */
export class Rhythm {
  private everyMs = 0;
  private arrivals: number[] = [];

  /** `tickMs`: any tick, by the same clock; `everyMs`: between ticks. */
  add(arrivedMs: number, tickMs: number, everyMs: number): void {
    if (!isSameInterval(everyMs, this.everyMs)) this.arrivals = [];
    this.everyMs = everyMs;
    this.arrivals.push((2 * Math.PI * (tickMs - arrivedMs)) / everyMs);
    if (this.arrivals.length > ARRIVALS) this.arrivals.shift();
  }

  /** undefined: too few have arrived, or they come in a rhythm of their own, and any wait is as good. */
  slots(): Slots | undefined {
    const { everyMs } = this;
    const count = this.arrivals.length;
    const x = this.arrivals.reduce((sum, arrival) => sum + Math.cos(arrival), 0);
    const y = this.arrivals.reduce((sum, arrival) => sum + Math.sin(arrival), 0);
    if (count < MIN_ARRIVALS || Math.hypot(x, y) < MIN_SHARED * count) return undefined;
    return { atMs: (Math.atan2(y, x) / (2 * Math.PI)) * everyMs + everyMs / 2 + DUE_MS, everyMs };
  }
}

/** The slot that is nearest to a wait. */
export function nearestSlot({ atMs, everyMs }: Slots, waitMs: number): number {
  return atMs + everyMs * Math.round((waitMs - atMs) / everyMs);
}
