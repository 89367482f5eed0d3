// Drawn heads of other hands with the boxes of their mouth and eyes, for model/tools/judge_drawings.py:
//   npm install @dicebear/core@9 @dicebear/collection@9 @resvg/resvg-js@2 && node drawings.mjs OUT [NUMBER [SEED]]
// Each head is drawn whole, without its mouth and without its eyes; what differs is where they are. To be run in the folder that holds node_modules.
import { createRequire } from "node:module";
import { mkdirSync, existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const here = createRequire(resolve("package.json"));
const { createAvatar } = await import(pathToFileURL(here.resolve("@dicebear/core")));
const collection = await import(pathToFileURL(here.resolve("@dicebear/collection")));
const { Resvg } = here("@resvg/resvg-js");

// The style, its package, and its part that is the mouth.
const STYLES = [
  ["adventurer", "adventurer", "mouth"], ["avataaars", "avataaars", "mouth"], ["bigEars", "big-ears", "mouth"],
  ["bigSmile", "big-smile", "mouth"], ["lorelei", "lorelei", "mouth"], ["micah", "micah", "mouth"],
  ["miniavs", "miniavs", "mouth"], ["personas", "personas", "mouth"], ["notionists", "notionists", "lips"],
  ["toonHead", "toon-head", "mouth"], ["croodles", "croodles", "mouth"],
];
const SIDE = 512, LEAST = 24;

const [out, number = "10", seed = "a"] = process.argv.slice(2);
if (!out) throw new Error("where to? node drawings.mjs OUT [NUMBER [SEED]]");
mkdirSync(out, { recursive: true });

// Mark a part of a style, so that it can be left out.
async function mark(folder, part) {
  const path = join(folder, `${part}.js`);
  if (!existsSync(path)) throw new Error(`no ${path}`);
  for (const shapes of Object.values(await import(pathToFileURL(path))))
    for (const [name, draw] of Object.entries(shapes)) shapes[name] = (...given) => `<g id="${part}">${draw(...given)}</g>`;
}

const draw = (svg) => new Resvg(svg, { fitTo: { mode: "width", value: SIDE } }).render();

// Where a picture differs from the same without a part: [x, y] of each pixel.
function compare(whole, less) {
  const found = [];
  for (let at = 0; at < whole.length; at += 4) {
    const apart = [0, 1, 2].reduce((sum, n) => sum + Math.abs(whole[at + n] - less[at + n]), 0);
    if (apart > LEAST) found.push([(at / 4) % SIDE, Math.floor(at / 4 / SIDE)]);
  }
  return found;
}

function bound(pixels) {
  const xs = pixels.map(([x]) => x), ys = pixels.map(([, y]) => y);
  const left = xs.reduce((a, b) => Math.min(a, b)), top = ys.reduce((a, b) => Math.min(a, b));
  return [left, top, xs.reduce((a, b) => Math.max(a, b)) + 1 - left, ys.reduce((a, b) => Math.max(a, b)) + 1 - top];
}

// Two eyes: parted at the widest gap between their columns, or in the middle.
function part(pixels) {
  const [left, , width] = bound(pixels), taken = new Set(pixels.map(([x]) => x));
  let cut = left + width / 2, widest = 2;
  for (let x = left, run = 0; x < left + width; x++) {
    run = taken.has(x) ? 0 : run + 1;
    if (run > widest) [widest, cut] = [run, x - run / 2];
  }
  return [pixels.filter(([x]) => x < cut), pixels.filter(([x]) => x >= cut)];
}

const rows = [];
for (const [style, folder, mouth] of STYLES) {
  for (const each of [mouth, "eyes"]) await mark(resolve("node_modules/@dicebear", folder, "lib/components"), each);
  for (let n = 0; n < Number(number); n++) {
    const svg = createAvatar(collection[style], { seed: `${seed}${n}`, backgroundColor: ["b6e3f4", "ffd5dc", "d1d4f9"] }).toString();
    const whole = draw(svg), hide = (id) => draw(svg.replaceAll(`<g id="${id}">`, `<g id="${id}" display="none">`)).pixels;
    const mouths = compare(whole.pixels, hide(mouth)), eyes = compare(whole.pixels, hide("eyes"));
    const [one, other] = eyes.length ? part(eyes) : [[], []];
    if (!mouths.length || one.length < 16 || other.length < 16) continue; // hidden behind a beard or under hair
    const name = `${style}-${seed}${n}.png`;
    writeFileSync(join(out, name), whole.asPng());
    rows.push({ name, boxes: [mouths, one, other].map(bound) });
  }
}
writeFileSync(join(out, "boxes.json"), JSON.stringify(rows));
console.log(`${rows.length} heads in ${out}`);
