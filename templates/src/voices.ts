// Who speaks, and since when. The server says it by and by, and lets go of somebody in each pause for
// breath; those are bridged.

/** A pause up to this long is none. */
const PAUSE_MS = 700;

/** An instant before all others. */
export const NEVER = Number.MIN_SAFE_INTEGER;

interface Voice {
  since: number;
  last: number;
}

export class Voices {
  private readonly voices = new Map<string, Voice>();
  private speaking: readonly string[] = [];

  /** `speaking`: identities, the loudest first. */
  update(speaking: readonly string[], now: number): void {
    for (const identity of this.speaking) {
      const voice = this.voices.get(identity);
      if (voice !== undefined) voice.last = now;
    }
    for (const identity of speaking) {
      const voice = this.voices.get(identity);
      if (voice === undefined || now - voice.last >= PAUSE_MS)
        this.voices.set(identity, { since: now, last: now });
      else voice.last = now;
    }
    this.speaking = speaking;
  }

  /** Speaks now, pauses included. */
  isHeard(identity: string, now: number): boolean {
    return this.speaking.includes(identity) || now - this.lastHeard(identity) < PAUSE_MS;
  }

  /** When somebody began to speak who does, and when he was last heard; NEVER: not at all. */
  heardSince(identity: string): number {
    return this.voices.get(identity)?.since ?? NEVER;
  }

  lastHeard(identity: string): number {
    return this.voices.get(identity)?.last ?? NEVER;
  }

  /** The loudest of some who speak at this instant. */
  loudest(among: readonly { identity: string }[]): string | undefined {
    return this.speaking.find((identity) => among.some((one) => one.identity === identity));
  }

  /** In how many milliseconds a pause becomes too long to be one; undefined: nobody pauses. */
  nextSilence(now: number): number | undefined {
    let next: number | undefined;
    for (const [identity, { last }] of this.voices) {
      const rest = last + PAUSE_MS - now;
      if (rest > 0 && !this.speaking.includes(identity)) next = Math.min(next ?? rest, rest);
    }
    return next;
  }
}
