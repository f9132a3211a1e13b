// Who is shown, and where. What is shown stays where it is unless something speaks against it: in a
// recording, nobody wants to see tiles jump.

import { GRID_SIZE, type LayoutKind, STRIP_SIZE } from "./layout";
import { NEVER, type Voices } from "./voices";

export interface Seat {
  readonly key: string;
  readonly identity: string;
  readonly kind: "camera" | "screen";
  readonly hasVideo: boolean;
}

/** What is shown: keys of seats. In a grid there is no main one. */
export interface Scene {
  readonly main: string | undefined;
  readonly others: readonly string[];
  /** The choice may be another one after so many milliseconds, though nothing happens. */
  readonly again: number | undefined;
}

export const EMPTY: Scene = { main: undefined, others: [], again: undefined };

/** Who speaks comes before who is only seen, and those before who is neither. */
function rank(seat: Seat, voices: Voices, now: number): number {
  if (seat.kind === "screen") return 3;
  if (voices.isHeard(seat.identity, now)) return 2;
  return seat.hasVideo ? 1 : 0;
}

/** At most `limit` of the seats (in the order in which they came), those shown before at the same
 * place. Somebody gives way only to one of a higher rank. */
export function choosePage(
  before: readonly string[],
  seats: readonly Seat[],
  limit: number,
  voices: Voices,
  now: number,
): string[] {
  const waiting = new Map(seats.map((seat) => [seat.key, seat]));
  const shown: Seat[] = [];
  for (const key of before) {
    const seat = waiting.get(key);
    if (seat !== undefined && shown.length < limit) {
      shown.push(seat);
      waiting.delete(key);
    }
  }
  const next = [...waiting.values()]
    .map((seat) => ({ seat, rank: rank(seat, voices, now), spoke: voices.lastHeard(seat.identity) }))
    .sort((a, b) => b.rank - a.rank || b.spoke - a.spoke);
  for (const candidate of next) {
    if (shown.length < limit) {
      shown.push(candidate.seat);
      continue;
    }
    let least = 0;
    shown.forEach((seat, i) => {
      const other = shown[least];
      if (other === undefined) return;
      const difference = rank(seat, voices, now) - rank(other, voices, now);
      const silence = voices.lastHeard(seat.identity) - voices.lastHeard(other.identity);
      if (difference < 0 || (difference === 0 && silence < 0)) least = i;
    });
    const other = shown[least];
    if (other === undefined || rank(other, voices, now) >= candidate.rank) break;
    shown[least] = candidate.seat;
  }
  return shown.map((seat) => seat.key);
}

/** Another speaker must have been heard for so long before the picture turns to him: after a pause
 * of the first, or while that one goes on speaking. */
const TURN_MS = 500;
const INTERRUPT_MS = 3000;

/** No faster from one to the next than this. */
const DWELL_MS = 1500;

export class SpeakerChoice {
  private current: string | undefined;
  private changedAt = NEVER;

  /** The seat of who has the floor, and when to ask again. */
  choose(
    seats: readonly Seat[],
    voices: Voices,
    now: number,
  ): { seat: Seat | undefined; again: number | undefined } {
    const current = seats.find((seat) => seat.key === this.current);
    const loudest = seats.find((seat) => seat.identity === voices.loudest(seats));
    if (current === undefined) {
      const seat = loudest ?? seats.find((one) => one.hasVideo) ?? seats[0];
      return this.turnTo(seat, seat === undefined ? NEVER : now);
    }
    if (voices.lastHeard(current.identity) === NEVER) {
      // Only there because somebody has to be.
      const better = loudest ?? (current.hasVideo ? undefined : seats.find((one) => one.hasVideo));
      return better === undefined ? { seat: current, again: undefined } : this.turnTo(better, now);
    }
    if (loudest === undefined || loudest === current) return { seat: current, again: undefined };
    const needed = voices.isHeard(current.identity, now) ? INTERRUPT_MS : TURN_MS;
    const at = Math.max(voices.heardSince(loudest.identity) + needed, this.changedAt + DWELL_MS);
    return at <= now ? this.turnTo(loudest, now) : { seat: current, again: at - now };
  }

  private turnTo(seat: Seat | undefined, now: number) {
    this.current = seat?.key;
    this.changedAt = now;
    return { seat, again: undefined };
  }
}

/** Decides for all layouts. */
export class Director {
  private readonly speaker = new SpeakerChoice();
  private scene = EMPTY;

  direct(kind: LayoutKind, seats: readonly Seat[], voices: Voices, now: number): Scene {
    const screens = seats.filter((seat) => seat.kind === "screen");
    const cameras = seats.filter((seat) => seat.kind === "camera");
    if (kind === "grid" && screens.length === 0) {
      const before = this.scene.main === undefined ? this.scene.others : [];
      const others = choosePage(before, cameras, GRID_SIZE, voices, now);
      this.scene = { main: undefined, others, again: undefined };
      return this.scene;
    }
    const { seat: speaker, again } = this.speaker.choose(cameras, voices, now);
    const screen = screens.find((seat) => seat.key === this.scene.main) ?? screens[0];
    const main = (screen ?? speaker)?.key;
    const rest = kind === "single-speaker" ? [] : [...screens, ...cameras];
    // Who was large takes the place of who is it now.
    const before = this.scene.others.map((key) =>
      key === main && this.scene.main !== undefined ? this.scene.main : key,
    );
    const others = choosePage(
      before,
      rest.filter((seat) => seat.key !== main),
      STRIP_SIZE,
      voices,
      now,
    );
    this.scene = { main, others, again };
    return this.scene;
  }
}
