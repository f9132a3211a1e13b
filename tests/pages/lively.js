// Shows and plays what the tests' publisher does (picture.go, sound.go): frame n and the sound of the
// same instant belong together, and both follow the wall clock. What is heard leads, as in any player:
// the picture follows the instant that the browser says is being heard.
//
// In the page's query:
//   fps     frames a second; 30
//   tag     0 to 15; 0
//   tone    Hz; by default the tag's. 0: there is no sound at all
//   busy    with texture that drifts, for an encoder to have something to do
//   start   when it writes START_RECORDING: a number of seconds after its begin, or a word, for which
//           it waits (/wait/WORD). Until then its tag is 0; without it, it writes nothing
//   crash   a word: the first time that a page says it (/once/WORD), it crashes with its START_RECORDING,
//           before it has shown its tag
//   end     the same of END_RECORDING, counted from START_RECORDING, if it writes that
// It tells the test when all of it plays (/tell/playing), and each full second (/tell/second): which one of the
// wall clock it is, how many frames it has drawn, how many it had no time to, and in ms the longest time without
// one, by how much its sound has slipped against the clock of its pictures, and by how much it draws the second's
// first picture later than its sound is heard: frames begin with a refresh of the display, sound at any time.
const query = new URLSearchParams(location.search);
const option = (name, otherwise) => Number(query.get(name) ?? otherwise);
const FPS = option("fps", 30);
const TAG = option("tag", 0);
const TONE_HZ = option("tone", 400 + 50 * TAG);
const IS_BUSY = query.has("busy");

const LOOP_SECONDS = 20;
const [COUNTER_BITS, TAG_BITS, CHECKSUM_BITS] = [12, 4, 4];
const CELLS = COUNTER_BITS + TAG_BITS + CHECKSUM_BITS;

// Areas as fractions of the picture: left, top, right, bottom.
const PATCH_AREA = [0.05, 0.06, 0.95, 0.22];
const CELL_AREA = [0.05, 0.3, 0.95, 0.54];
const FLASH_AREA = [0.05, 0.62, 0.47, 0.94];
const MOVER_AREA = [0.53, 0.62, 0.95, 0.94];

// What becomes the publisher's Y'CbCr by BT.709, as near as RGB allows.
const PATCHES = ["#d01200", "#00a100", "#000cc8", "#00adc1", "#cd1ec5", "#c3b400"];
const [GREY, DARK, NAVY, ORANGE] = ["#808080", "#131313", "#0b1c61", "#ff9013"];

function part([left, top, right, bottom], n, of) {
  const width = (right - left) / of;
  return [left + n * width, top, left + (n + 1) * width, bottom];
}

function checksum(data) {
  let crc = 0x9;
  for (let bit = 15; bit >= 0; bit--) {
    const feedback = ((crc >> 3) ^ (data >> bit)) & 1;
    crc = ((crc << 1) & 0xf) ^ (feedback * 0x3);
  }
  return crc;
}

const canvas = document.querySelector("canvas");
const context = canvas.getContext("2d", { alpha: false });
let texture;
let isStale = true; // what is shown, whatever the frame

function fill([left, top, right, bottom], colour) {
  const evenly = (fraction, of) => (fraction === 1 ? of : Math.floor((fraction * of) / 2 + 0.5) * 2);
  const [x, y] = [evenly(left, canvas.width), evenly(top, canvas.height)];
  context.fillStyle = colour;
  context.fillRect(x, y, evenly(right, canvas.width) - x, evenly(bottom, canvas.height) - y);
}

// Waves and grain, larger than the canvas by as much as it drifts. Its luma stays far from black.
function makeTexture() {
  const [width, height] = [canvas.width + 256, canvas.height + 256];
  const made = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const grain = Math.imul(x * 7919 + y * 104729, 2654435761) >>> 28;
      const luma = 120 + grain + 32 * (Math.sin(x / 29) + Math.sin(y / 17));
      image.data.set([luma, luma, luma, 255], at);
    }
  }
  made.getContext("2d").putImageData(image, 0, 0);
  return made;
}

function drawStill() {
  [canvas.width, canvas.height] = [innerWidth, innerHeight];
  isStale = true;
  fill([0, 0, 1, 1], GREY);
  if (IS_BUSY) texture = makeTexture();
  PATCHES.forEach((colour, n) => fill(part(PATCH_AREA, n, PATCHES.length), colour));
}

// With the process for graphics, what was drawn is gone.
canvas.addEventListener("contextrestored", drawStill);

function drawMover(counter) {
  const phase = (counter % (2 * FPS)) / FPS;
  const [first, top, last, bottom] = MOVER_AREA;
  const width = (last - first) / 4;
  const left = first + (phase > 1 ? 2 - phase : phase) * (last - first - width);
  fill(MOVER_AREA, NAVY);
  fill([left, top + 0.08, left + width, bottom - 0.08], ORANGE);
}

function draw(counter, tag) {
  if (IS_BUSY) {
    const drift = (counter * 2) % 512;
    const by = drift > 256 ? 512 - drift : drift;
    context.drawImage(texture, -by, -(256 - by) / 2);
    PATCHES.forEach((colour, n) => fill(part(PATCH_AREA, n, PATCHES.length), colour));
  }
  const data = (counter << TAG_BITS) | tag;
  const bits = (data << CHECKSUM_BITS) | checksum(data);
  for (let n = 0; n < CELLS; n++)
    fill(part(CELL_AREA, n, CELLS), (bits >> (CELLS - 1 - n)) & 1 ? "#ffffff" : "#000000");
  fill(FLASH_AREA, counter % FPS === 0 ? "#ffffff" : DARK);
  drawMover(counter);
}

// Time. `lag` is by how much the media clock is behind performance.now(), in seconds: as the wall
// clock has it, until there is sound. What the browser says of its sound jitters by some ms.
const audio = TONE_HZ > 0 ? new AudioContext({ latencyHint: "playback" }) : undefined;
let lag = -performance.timeOrigin / 1000;
let slipMs = 0;
let soundOrigin; // the media clock at the audio context's 0

function followSound() {
  const { contextTime, performanceTime } = audio.getOutputTimestamp();
  if (!contextTime) return;
  const found = performanceTime / 1000 - (soundOrigin + contextTime);
  slipMs = Math.max(slipMs, Math.round(Math.abs(found - lag) * 1000));
  lag += Math.abs(found - lag) > 0.1 ? found - lag : (found - lag) / 32;
}

// The frame whose sound is heard now, and how much of it was.
function dueFrame(now) {
  return (now / 1000 - lag) * FPS;
}

function makeSound() {
  const rate = 48000;
  const buffer = new AudioBuffer({ length: LOOP_SECONDS * rate, sampleRate: rate });
  const samples = buffer.getChannelData(0);
  const [tone, turn] = [0.05, 2 * Math.PI];
  for (let n = 0; n < samples.length; n++) {
    const within = (n % rate) / rate;
    samples[n] = tone * Math.sin(turn * TONE_HZ * within);
    if (within < 0.05)
      samples[n] += 0.3 * Math.sin(turn * (2000 + 40 * Math.floor(n / rate)) * within);
  }
  return buffer;
}

function outputStarted() {
  return new Promise((resolve) => {
    const look = () => (audio.getOutputTimestamp().contextTime > 0.1 ? resolve() : setTimeout(look, 5));
    look();
  });
}

async function play() {
  const source = new AudioBufferSourceNode(audio, { buffer: makeSound(), loop: true });
  source.connect(audio.destination);
  await audio.resume();
  await outputStarted();
  const { contextTime, performanceTime } = audio.getOutputTimestamp();
  soundOrigin = (performance.timeOrigin + performanceTime) / 1000 - contextTime;
  const at = audio.currentTime + 0.1;
  source.start(at, (soundOrigin + at) % LOOP_SECONDS);
}

// Frames. One lasts a whole number of the display's refreshes, if the rates allow it: what a clock that
// jitters against the display's would drop and repeat is not the recorder's. Only if it is off by most of a
// frame it is set anew.
let shownTag = query.has("start") ? 0 : TAG;
let [frame, refreshed, begun] = [undefined, undefined, 0]; // begun: how much of the frame's time is over
let [drawnFrames, missedFrames, stallMs] = [0, 0, 0];
const intervalsMs = Array(32).fill(1000 / 60); // the last ones between refreshes that this page has seen

// How many frames' time has passed since the last refresh. A page that is late does not see all refreshes, and
// a browser that has just started shows some too early: what the display does is what most of the shorter
// intervals are.
function passedFrames(now) {
  const intervalMs = now - (refreshed ?? now - 1000 / 60);
  refreshed = now;
  stallMs = Math.max(stallMs, Math.round(intervalMs));
  intervalsMs.push(intervalMs);
  intervalsMs.shift();
  const refreshMs = intervalsMs.toSorted((one, other) => one - other)[intervalsMs.length / 4];
  const each = 1000 / FPS / refreshMs; // refreshes that a frame lasts
  const whole = Math.max(1, Math.round(each));
  const refreshes = Math.max(1, Math.round(intervalMs / refreshMs));
  return refreshes / (Math.abs(each - whole) < 0.1 ? whole : each);
}

function nextFrame(now) {
  const due = dueFrame(now);
  begun += passedFrames(now);
  const step = Math.floor(begun + 1e-6);
  begun -= step;
  if (frame === undefined || Math.abs(due - frame - step) > 0.7) {
    begun = 0;
    const wanted = Math.round(due);
    const isNear = frame !== undefined && Math.abs(wanted - frame) < FPS;
    return isNear ? Math.max(frame, wanted) : wanted;
  }
  return frame + step;
}

function tellSecond(now) {
  const told = {
    tag: TAG,
    second: Math.floor(frame / FPS),
    drawn: drawnFrames,
    missed: missedFrames,
    stall_ms: stallMs,
    slip_ms: slipMs,
    own_ms: (((dueFrame(now) - frame) / FPS) * 1000).toFixed(1),
  };
  fetch(`/tell/second?${new URLSearchParams(told)}`);
}

function onRefresh(now) {
  requestAnimationFrame(onRefresh);
  if (soundOrigin !== undefined) followSound();
  if (canvas.width !== innerWidth || canvas.height !== innerHeight) drawStill();
  const before = frame;
  frame = nextFrame(now);
  drawnFrames += frame !== before;
  missedFrames += Math.max(0, frame - (before ?? frame) - 1);
  if (before !== undefined && Math.floor(frame / FPS) > Math.floor(before / FPS)) tellSecond(now);
  if (frame !== before || isStale) draw(frame % (LOOP_SECONDS * FPS), shownTag);
  isStale = false;
}

// Signals.
const drawn = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));

async function until(what) {
  if (Number.isNaN(Number(what))) await fetch(`/wait/${what}`);
  else await new Promise((resolve) => setTimeout(resolve, 1000 * Number(what)));
}

async function signal() {
  if (query.has("start")) {
    await until(query.get("start"));
    const crashes = query.has("crash") && (await fetch(`/once/${query.get("crash")}`)).status === 200;
    if (!crashes) shownTag = TAG;
    isStale = true;
    await drawn();
    console.log("LAYOUT", "lively"); // of no meaning where the page is no template
    console.log("START_RECORDING");
    if (crashes) TROUBLE.heap();
  }
  if (query.has("end")) {
    await until(query.get("end"));
    console.log("END_RECORDING");
  }
}

async function run() {
  drawStill();
  onRefresh(performance.now());
  if (audio) await play();
  await drawn();
  await fetch(`/tell/playing?width=${innerWidth}&height=${innerHeight}&ratio=${devicePixelRatio}`);
  await signal();
}

run();
