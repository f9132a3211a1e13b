// Runs tests/pages/lively.js without a browser. Its input is JSON: the script's `path`, `fps`, and in `times` when
// the display refreshes, in ms since the wall clock's begin. Prints which frame is shown then, and what was told.
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";

const { path, fps, times } = JSON.parse(readFileSync(0));
const told = [];
let callbacks = [];
const nothing = () => {};
const page = createContext({
  URLSearchParams,
  location: { search: `?fps=${fps}&tone=0` },
  performance: { timeOrigin: 0, now: () => 0 },
  innerWidth: 320,
  innerHeight: 180,
  devicePixelRatio: 1,
  document: {
    querySelector: () => ({ addEventListener: nothing, getContext: () => ({ fillRect: nothing }) }),
  },
  requestAnimationFrame: (callback) => callbacks.push(callback),
  fetch: (url) => told.push(url),
});
runInContext(readFileSync(path, "utf8"), page);
const frames = times.map((time) => {
  const due = callbacks;
  callbacks = [];
  due.forEach((callback) => callback(time));
  return runInContext("frame", page);
});
console.log(JSON.stringify({ frames, told }));
