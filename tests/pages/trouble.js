// What pages do that nobody is there to answer. In the query: do=WORD,WORD…, of those below, one after
// the other. Each waits for /wait/WORD, and tells /tell/WORD with what came of it.
const HOARD = [];
const LONG_LINE = "x".repeat(2 ** 20);

function flood(once, each = 1000) {
  let n = 0;
  setInterval(() => {
    for (const end = n + each; n < end; n++) once(n);
  }, 10);
}

const TROUBLE = {
  alert: () => alert("Good morning"),
  confirm: () => confirm("Are you there?"),
  prompt: () => prompt("Who is there?"),
  popup: () => open("/still.html", "_blank", "width=300,height=200") !== null,
  tab: () => open("/still.html", "_blank") !== null,
  download: () => {
    const link = document.createElement("a");
    link.href = "/download";
    link.download = "";
    document.body.append(link);
    link.click();
  },
  print: () => print(),
  camera: () => navigator.mediaDevices.getUserMedia({ video: true, audio: true }),
  place: () => new Promise((...given) => navigator.geolocation.getCurrentPosition(...given)),
  notification: () => Notification.requestPermission(),
  reach: () => fetch(new URLSearchParams(location.search).get("reach"), { mode: "no-cors" }),
  fullscreen: () => document.documentElement.requestFullscreen(),
  // The next page has to come though this one asks to stay.
  leave: () => {
    addEventListener("beforeunload", (event) => event.preventDefault());
    location.href = "/lively.html?tag=9&next";
  },
  reload: () => location.reload(),
  // As good as closing it is for people.
  close: () => {
    open("", "_self").close();
    window.close();
  },
  // A hundred thousand times a second, if there is the time.
  lines: () => flood((n) => console.log("line", n)),
  titles: () => flood((n) => (document.title = `Title ${n}`)),
  states: () => flood((n) => history.pushState(n, "", `#${n}`)),
  long: () => flood(() => console.log(LONG_LINE), 1),
  // Memory of the script and memory beside it, until somebody ends this. Bounded, should nobody.
  heap: () => {
    for (let n = 0; n < 5e7; n++) HOARD.push({ n });
  },
  buffers: async () => {
    while (HOARD.length < 100) {
      HOARD.push(new Uint8Array(2 ** 25).fill(1));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
};

async function outcomeOf(word) {
  try {
    return String(await TROUBLE[word]());
  } catch (error) {
    return error.name ?? error.message ?? String(error);
  }
}

async function cause(words) {
  for (const word of words) {
    await fetch(`/wait/${word}`);
    const outcome = await outcomeOf(word);
    await fetch(`/tell/${word}?outcome=${encodeURIComponent(outcome)}`);
  }
}

const words = new URLSearchParams(location.search).get("do");
if (words) cause(words.split(","));
