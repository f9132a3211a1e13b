// Writes what the licences of the packages ask for that are in the page: node licenses.mjs FILE
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
const LICENSE_FILE = /^(licen[cs]e|copying|copyright|notice)/i;

const read = (...names) => fs.readFileSync(path.join(root, ...names), "utf8");

function findScripts(folder) {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(".js"))
    .sort()
    .map((name) => read(folder, name));
}

// Of a package without a file of its licence: comments at the heads of its scripts.
function findNotices(folder) {
  const blocks = findScripts(folder).flatMap((text) => text.match(/^(?:\/\/.*\n)+|^\/\*[\s\S]*?\*\//gm) ?? []);
  return [...new Set(blocks.filter((block) => /copyright/i.test(block)))];
}

function findTexts(folder) {
  const files = fs.readdirSync(path.join(root, folder)).filter((name) => LICENSE_FILE.test(name));
  return files.length > 0 ? files.map((name) => read(folder, name)) : findNotices(folder);
}

function describe([folder, { version, license }]) {
  const texts = findTexts(folder).map((text) => text.trim());
  if (texts.length === 0) throw new Error(`${folder} has no licence`);
  const title = `${folder.replace(/^.*node_modules\//, "")} ${version}, ${license}`;
  return [title, "=".repeat(title.length), ...texts].join("\n\n");
}

// Types are for the compiler alone, and what is optional need not be there.
function isInPage([folder, { dev, optional }]) {
  const isCode = folder !== "" && !dev && !folder.includes("node_modules/@types/");
  return isCode && !(optional && !fs.existsSync(path.join(root, folder)));
}

const { packages } = JSON.parse(read("package-lock.json"));
const sections = Object.entries(packages).filter(isInPage).map(describe);
const intro = "The page that shows rooms contains these packages, under these licences.";
fs.writeFileSync(process.argv[2], [intro, ...sections].join("\n\n\n") + "\n");
