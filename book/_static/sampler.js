/* The live sampler of the page "Generating text and music".
 *
 * The page carries the counts of its own character model as JSON (#sampler-model). This file
 * turns them into the same Witten-Bell probabilities as seqcourse.ngram, and draws from them.
 * On a page without that element it does nothing.
 */
(() => {
  "use strict";

  const CHARACTERS_PER_RUN = 300;
  const MILLISECONDS_PER_CHARACTER = 12;
  const ROWS = 10;
  const SHADES = [0.5, 0.2, 0.05, 0.01]; // probability at which the background gets darker

  /* ---- the model: counts in, probabilities out ------------------------------------------- */

  class Model {
    /* `json.contexts` maps each context of the highest order to what followed it: "eo3" says
     * that e followed once and o three times. All shorter contexts are sums of these. */
    constructor(json) {
      this.order = json.order;
      this.start = json.start;
      this.vocabulary = json.vocabulary;
      this.levels = [readCounts(json.contexts)];
      while (this.levels.length <= this.order) this.levels.unshift(dropOldest(this.levels[0]));
    }

    /* Who follows `context` (its last `order` characters), as an array beside `vocabulary`. */
    probabilities(context, order) {
      const recent = this.recent(context, order);
      let p = this.vocabulary.map(() => 1 / this.vocabulary.length);
      for (let k = 0; k <= order; k++) {
        const seen = this.levels[k].get(recent.slice(order - k));
        if (!seen) break; // a longer context was never seen either
        const kinds = seen.counts.size;
        p = this.vocabulary.map(
          (c, i) => ((seen.counts.get(c) ?? 0) + kinds * p[i]) / (seen.total + kinds));
      }
      return p;
    }

    /* How many different characters ever followed the whole of `context`. */
    choices(context, order) {
      return this.levels[order].get(this.recent(context, order))?.counts.size ?? 0;
    }

    /* The last `order` characters, with start symbols in front where the context is shorter. */
    recent(context, order) {
      const padded = this.start.repeat(order) + context;
      return padded.slice(padded.length - order);
    }
  }

  function readCounts(contexts) {
    const level = new Map();
    for (const [context, followers] of Object.entries(contexts)) {
      for (const [, character, count] of followers.matchAll(/(\D)(\d*)/g)) {
        add(level, context, character, count ? Number(count) : 1);
      }
    }
    return level;
  }

  function dropOldest(level) {
    const shorter = new Map();
    for (const [context, { counts }] of level) {
      for (const [character, count] of counts) add(shorter, context.slice(1), character, count);
    }
    return shorter;
  }

  function add(level, context, character, count) {
    let entry = level.get(context);
    if (!entry) level.set(context, (entry = { total: 0, counts: new Map() }));
    entry.total += count;
    entry.counts.set(character, (entry.counts.get(character) ?? 0) + count);
  }

  /* p ** (1 / temperature), normalised; in logarithms, so that a low temperature is safe. */
  function sharpen(probabilities, temperature) {
    const scores = probabilities.map((p) => Math.log(p) / temperature);
    const highest = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - highest));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  }

  /* A small generator of random numbers (mulberry32): the same seed gives the same text. */
  function randomNumbers(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  function draw(probabilities, u) {
    let rest = u;
    for (let i = 0; i < probabilities.length; i++) {
      rest -= probabilities[i];
      if (rest < 0) return i;
    }
    return probabilities.indexOf(Math.max(...probabilities)); // rounding left nothing over
  }

  /* ---- the page: one text, one cursor in it ---------------------------------------------- */

  const NAMES = { " ": "space", "\n": "line end" };
  const name = (character) => NAMES[character] ?? character;
  const percent = (p) => (p < 0.001 && p > 0 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`);
  const shade = (p) => SHADES.filter((limit) => p < limit).length;
  const element = (id) => document.getElementById(id);

  class Sampler {
    constructor(model) {
      this.model = model;
      this.seedText = "";
      this.steps = []; // {character, p, order, temperature, forced}
      this.random = randomNumbers(1);
      this.timer = null;
      this.pointed = null; // the place of the character under the mouse
      this.connect();
      this.restart();
      element("sampler").classList.add("sampler-ready");
    }

    get order() { return Number(element("sampler-order").value); }
    get temperature() { return Number(element("sampler-temperature").value); }
    get running() { return this.timer !== null; }
    get cursor() { return this.pointed ?? Number(element("sampler-position").value); }

    connect() {
      element("sampler-form").addEventListener("submit", (event) => {
        event.preventDefault();
        if (this.running) this.stop();
        else this.generate();
      });
      element("sampler-continue").addEventListener("click", () => this.run());
      element("sampler-step").addEventListener("click", () => this.step());
      element("sampler-seed").addEventListener("input", () => this.restart());
      element("sampler-order").addEventListener("change", () => this.showTable());
      element("sampler-temperature").addEventListener("input", () => this.showTemperature());
      element("sampler-position").addEventListener("input", () => this.showCursor());
      element("sampler-random-seed").addEventListener("input", () => {
        element("sampler-keep").checked = true;
      });
      const output = element("sampler-output");
      output.addEventListener("pointerover", (event) => this.point(event.target));
      output.addEventListener("pointerleave", () => this.point(null));
      output.addEventListener("click", (event) => this.pick(event.target));
      element("sampler-probabilities").addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) this.choose(this.model.vocabulary[Number(button.value)]);
      });
    }

    context(position) {
      const written = this.steps.slice(Math.max(0, position - this.model.order), position);
      return this.seedText + written.map((step) => step.character).join("");
    }

    /* The controls as they were when the character at `position` was drawn. */
    settings(position) {
      return this.steps[position] ?? { order: this.order, temperature: this.temperature };
    }

    distribution(position) {
      const { order, temperature } = this.settings(position);
      // Past the seed text, `context` holds the newest characters only: enough for any order.
      return sharpen(this.model.probabilities(this.context(position), order), temperature);
    }

    restart() {
      this.stop();
      this.seedText = element("sampler-seed").value;
      this.steps = [];
      this.reseed();
      const seed = document.createElement("span");
      seed.className = "sampler-seed-text";
      seed.textContent = this.seedText;
      element("sampler-output").replaceChildren(seed);
      element("sampler-status").textContent = "";
      this.moveCursor();
      this.showTemperature();
    }

    reseed() {
      const field = element("sampler-random-seed");
      if (!element("sampler-keep").checked) field.value = Math.floor(Math.random() * 10000);
      this.random = randomNumbers(Number(field.value));
    }

    generate() {
      this.restart();
      this.run();
    }

    run() {
      if (this.running) return;
      const end = this.steps.length + CHARACTERS_PER_RUN;
      const hurry = matchMedia("(prefers-reduced-motion: reduce)").matches;
      element("sampler-output").setAttribute("aria-busy", "true");
      element("sampler-run").textContent = "Stop";
      const next = () => {
        do this.write(); while (hurry && this.steps.length < end);
        this.moveCursor();
        if (this.steps.length >= end) this.stop();
        else this.timer = setTimeout(next, MILLISECONDS_PER_CHARACTER);
      };
      this.timer = setTimeout(next, 0);
    }

    stop() {
      clearTimeout(this.timer);
      this.timer = null;
      element("sampler-output").setAttribute("aria-busy", "false");
      element("sampler-run").textContent = "Generate";
      this.showStatus();
    }

    step() {
      this.stop();
      this.write();
      this.moveCursor();
      this.showStatus();
    }

    /* Draw one character at the end of the text, or take the one that the reader chose. */
    write(chosen) {
      const position = this.steps.length;
      const { order, temperature } = this.settings(position);
      const p = this.distribution(position);
      const i = chosen === undefined
        ? draw(p, this.random())
        : this.model.vocabulary.indexOf(chosen);
      const forced = this.model.choices(this.context(position), order) === 1;
      const character = this.model.vocabulary[i];
      this.steps.push({ character, p: p[i], order, temperature, forced });
      const span = document.createElement("span");
      span.className = `sampler-p${shade(p[i])}`;
      span.textContent = character;
      element("sampler-output").append(span);
    }

    /* Go back to the cursor, take another turning there, and forget what came after. */
    choose(character) {
      this.stop();
      const position = this.cursor;
      this.steps.length = position;
      const output = element("sampler-output");
      while (output.children.length > position + 1) output.lastChild.remove();
      this.write(character);
      this.moveCursor();
      this.showStatus();
      element("sampler-probabilities").querySelector("button")?.focus();
    }

    /* The mouse shows what stood at a place for as long as it is there; a click stays there. */
    point(target) {
      if (this.running) return;
      this.pointed = this.placeOf(target);
      this.showCursor();
    }

    pick(target) {
      const place = this.placeOf(target);
      if (this.running || place === null) return;
      element("sampler-position").value = place;
      this.showCursor();
    }

    placeOf(target) {
      const place = [...element("sampler-output").children].indexOf(target) - 1;
      return place < 0 ? null : place;
    }

    moveCursor() {
      this.pointed = null;
      const slider = element("sampler-position");
      slider.max = this.steps.length;
      slider.value = this.steps.length;
      this.showCursor();
    }

    showCursor() {
      const output = element("sampler-output");
      output.querySelector(".sampler-cursor")?.classList.remove("sampler-cursor");
      const position = this.cursor;
      if (position < this.steps.length) output.children[position + 1].classList.add("sampler-cursor");
      const said = position < this.steps.length
        ? `character ${position + 1} of ${this.steps.length}`
        : "the next character";
      element("sampler-position").setAttribute("aria-valuetext", said);
      element("sampler-position-said").textContent = said;
      this.showTable();
    }

    showTemperature() {
      const value = this.temperature.toFixed(2);
      element("sampler-temperature-said").textContent = value;
      this.showTable();
    }

    showTable() {
      const position = this.cursor;
      const { order, temperature } = this.settings(position);
      const p = this.distribution(position);
      const best = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, ROWS);
      const taken = this.steps[position]?.character;
      const place = this.model.vocabulary.indexOf(taken);
      if (place >= 0 && !best.includes(place)) best[ROWS - 1] = place;
      const remembered = order ? this.context(position).slice(-order) : "";
      const after = remembered ? `After “${remembered.replaceAll("\n", "⏎")}”` : "Without looking back";
      const table = element("sampler-probabilities");
      table.caption.textContent = `${after}, at temperature ${temperature.toFixed(2)}`;
      table.tBodies[0].replaceChildren(...best.map((i) => this.row(i, p[i], i === place)));
    }

    row(i, p, taken) {
      const row = document.createElement("tr");
      const character = name(this.model.vocabulary[i]);
      const button = document.createElement("button");
      button.type = "button";
      button.value = i;
      button.textContent = character;
      button.setAttribute("aria-label", `${character}: write this one`);
      const head = document.createElement("th");
      head.scope = "row";
      head.append(button);
      row.append(head);
      const bar = document.createElement("span");
      bar.className = "sampler-bar";
      bar.style.width = `${45 * p}%`;
      bar.setAttribute("aria-hidden", "true");
      row.insertCell().append(bar, percent(p) + (taken ? " ✓" : ""));
      return row;
    }

    showStatus() {
      const n = this.steps.length;
      if (!n) return;
      const bits = this.steps.reduce((sum, step) => sum - Math.log2(step.p), 0) / n;
      const forced = this.steps.filter((step) => step.forced).length;
      element("sampler-status").textContent =
        `Characters: ${n}, with ${bits.toFixed(2)} bits of surprise each on average. ` +
        `${Math.round((100 * forced) / n)} % came after a context ` +
        "that the plays continue in one way only.";
    }
  }

  function begin() {
    const stored = element("sampler-model");
    if (!stored || !element("sampler")) return;
    const model = new Model(JSON.parse(stored.textContent));
    const sampler = new Sampler(model);
    window.sampler = {
      order: model.order,
      vocabulary: model.vocabulary,
      nextProbabilities(context, order = sampler.order, temperature = sampler.temperature) {
        if (!Number.isInteger(order) || order < 0 || order > model.order) {
          throw new RangeError(`order must be a whole number from 0 to ${model.order}, not ${order}`);
        }
        if (!(temperature > 0)) {
          throw new RangeError(`temperature must be above 0, not ${temperature}`);
        }
        const p = sharpen(model.probabilities(context, order), temperature);
        return Object.fromEntries(model.vocabulary.map((c, i) => [c, p[i]]));
      },
    };
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
