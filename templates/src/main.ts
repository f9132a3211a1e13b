// The page that is recorded when a room is: joins the room that its address names, shows who is there,
// and says when the recording starts and ends, and which layout is shown. docs/TEMPLATES.md has the contract.

import { ConnectionState, LogLevel, Room, RoomEvent, setLogLevel } from "livekit-client";
import { type Layout, nameLayout, parseLayout } from "./layout";
import { alignAll, compareClocks } from "./receivers";
import { allGuests, mediaOf, onChange, playSound } from "./room";
import { Signals } from "./signals";
import { Stage } from "./stage";
import { displayOf } from "./sync";

/** Of a server that cannot be reached. */
const JOIN_RETRIES = 2;

const DEFAULT: Layout = { kind: "grid", isLight: false };

function layoutOf(name: string): Layout {
  const layout = parseLayout(name);
  if (layout === undefined) console.warn(`there is no layout "${name}": this is grid`);
  return layout ?? DEFAULT;
}

/** The layout that the recorder's metadata asks for, which the server sets for UpdateLayout. */
function layoutIn(metadata: string | undefined): string | undefined {
  if (!metadata) return undefined;
  try {
    const { layout } = JSON.parse(metadata) as { layout?: unknown };
    return typeof layout === "string" ? layout : undefined;
  } catch {
    console.warn("the recorder's metadata is not JSON");
    return undefined;
  }
}

/** The service ends the recording with this text. */
function fail(text: string): void {
  const error = document.createElement("div");
  error.className = "error";
  error.textContent = text;
  document.body.replaceChildren(error);
}

async function run(root: HTMLElement): Promise<void> {
  const query = new URLSearchParams(location.search);
  const url = query.get("url");
  const token = query.get("token");
  if (!url || !token) {
    fail(`the address has no parameter "${url ? "token" : "url"}"`);
    return;
  }
  setLogLevel(LogLevel.warn);
  // The service listens to the console.
  const signals = new Signals((...words) => console.log(...words));
  const first = layoutOf(query.get("layout") ?? "");
  const stage = new Stage(root, first, () => signals.start());
  signals.show(nameLayout(first));
  // Each picture is received as large as its tile is, and not at all without one.
  const room = new Room({ adaptiveStream: true });
  const obey = () => {
    const name = layoutIn(room.localParticipant.metadata);
    if (name === undefined) return;
    const layout = layoutOf(name);
    stage.setLayout(layout);
    signals.show(nameLayout(layout));
  };
  onChange(room, () => {
    // Then the client has let go of everybody: they are shown as they were.
    if (room.state === ConnectionState.Reconnecting || room.state === ConnectionState.Disconnected)
      return;
    const speaking = room.activeSpeakers.map((participant) => participant.identity);
    stage.update(allGuests(room), speaking);
    signals.update(mediaOf(room));
  });
  playSound(room);
  alignAll(room, displayOf(query.get("display")));
  compareClocks(room);
  room.on(RoomEvent.ParticipantMetadataChanged, (_, participant) => {
    if (participant.isLocal) obey();
  });
  try {
    await room.connect(url, token, { maxRetries: JOIN_RETRIES });
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    fail(`the room cannot be joined at ${url}: ${cause}`);
    return;
  }
  obey();
  room.on(RoomEvent.Disconnected, () => signals.end());
}

const root = document.getElementById("stage");
if (root !== null) void run(root);
