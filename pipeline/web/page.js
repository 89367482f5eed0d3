// What the page does that Gradio does not: play a film that grows, keep the chosen film in the address.
(() => {
  "use strict";
  const KEEP_BEHIND = 60, LOAD_AHEAD = 30, EVERY = 500;

  // A playlist of longtake as [{name, start, end}], and whether the film is whole.
  function readPlaylist(text) {
    const clips = [];
    let seconds = 0, at = 0;
    for (const line of text.split("\n")) {
      if (line.startsWith("#EXTINF:")) seconds = parseFloat(line.slice(8));
      else if (line.endsWith(".m4s") && seconds) {
        clips.push({ name: line, start: at, end: at + seconds });
        at += seconds;
        seconds = 0;
      }
    }
    return { clips, seconds: at, whole: text.includes("#EXT-X-ENDLIST") };
  }

  // The codecs of a header, as a browser wants them named: out of its box avcC.
  function nameCodecs(header) {
    const text = new TextDecoder("latin1").decode(header);
    const at = text.indexOf("avcC");
    const hex = [5, 6, 7].map((n) => header[at + n].toString(16).padStart(2, "0")).join("");
    return `video/mp4; codecs="avc1.${hex}${text.includes("mp4a") ? ",mp4a.40.2" : ""}"`;
  }

  // Plays RUN/live by Media Source Extensions: fragments are put in as they come, what was seen is let go.
  class LivePlayer {
    constructor(video, folder) {
      this.video = video;
      this.folder = folder;
      this.list = { clips: [], seconds: 0, whole: false };
      this.asked = new Set();
      this.gone = this.starved = this.idle = false;
      const Source = window.ManagedMediaSource || window.MediaSource;
      this.source = new Source();
      video.disableRemotePlayback = true; // a managed source asks for it
      video.src = URL.createObjectURL(this.source);
      this.source.addEventListener("sourceopen", () => this.begin(), { once: true });
      video.addEventListener("seeking", () => this.asked.clear());
      video.addEventListener("waiting", () => { this.starved = true; });
      video.addEventListener("playing", () => { this.starved = false; });
    }

    async fetch(name, kind) {
      const answer = await fetch(this.folder + name, { cache: kind === "text" ? "no-store" : "default" });
      if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
      return answer[kind]();
    }

    async begin() {
      while (!this.gone && !this.buffer) {
        try {
          const header = new Uint8Array(await this.fetch("init.mp4", "arrayBuffer"));
          this.buffer = this.source.addSourceBuffer(nameCodecs(header));
          await this.put(header);
        } catch {
          await new Promise((go) => setTimeout(go, EVERY)); // not there yet
        }
      }
      while (!this.gone) {
        let waits = true;
        try {
          if (!this.list.whole) this.list = readPlaylist(await this.fetch("film.m3u8", "text"));
          waits = !(await this.load());
        } catch { /* the server is away, or a clip was made anew: the next look tells */ }
        if (waits) await new Promise((go) => setTimeout(go, EVERY));
      }
    }

    put(bytes) {
      return new Promise((good, bad) => {
        this.buffer.addEventListener("updateend", good, { once: true });
        this.buffer.addEventListener("error", bad, { once: true });
        this.buffer.appendBuffer(bytes);
      });
    }

    // Where what is there without a gap from a time on ends.
    bufferedEnd(time) {
      const spans = this.video.buffered;
      for (let n = 0; n < spans.length; n++)
        if (spans.start(n) <= time + 0.1 && time < spans.end(n)) return spans.end(n);
      return time;
    }

    // One fragment put in; false where nothing is to be done now.
    async load() {
      if (this.source.readyState === "closed") return false;
      const now = this.video.currentTime, end = this.bufferedEnd(now);
      // It only grows: the last sound may end behind the last frame, and a shorter duration than what is put in is refused.
      if (this.source.readyState === "open" && this.list.seconds && !(this.source.duration >= this.list.seconds))
        this.source.duration = this.list.seconds;
      const next = this.list.clips.find((clip) => clip.end > end + 0.05 && !this.asked.has(clip.name));
      if (!next || next.start > end + 0.2 || end - now > LOAD_AHEAD) {
        // Of a film that was stopped, too: a player that waits for more would turn for ever. What comes later opens it again.
        if (!next && (this.list.whole || this.idle) && this.source.readyState === "open") this.source.endOfStream();
        return false;
      }
      const bytes = await this.fetch(next.name, "arrayBuffer");
      if (this.gone) return false;
      const ended = this.video.ended;
      await this.put(bytes);
      if (ended) this.video.play().catch(() => {});
      this.asked.add(next.name);
      if (this.asked.size === 1) this.step(now);
      else if (this.starved) this.wake();
      await this.forget(now);
      return true;
    }

    // The sound may begin a frame behind the picture, and a player would wait at 0 for it.
    step(now) {
      const spans = this.video.buffered;
      if (spans.length && now < spans.start(0) && spans.start(0) < 0.5) this.video.currentTime = spans.start(0);
    }

    // After each pause Chromium wants twice as much sound before it goes on, soon more than a clip has, and would show
    // clips two by two; a seek to where it stands makes it forget that.
    wake() {
      const { video } = this;
      if (!video.paused && !video.seeking && this.bufferedEnd(video.currentTime) > video.currentTime + 0.1)
        video.currentTime = video.currentTime;
    }

    forget(now) {
      const spans = this.video.buffered;
      if (!spans.length || spans.start(0) > now - 2 * KEEP_BEHIND) return null;
      return new Promise((done) => {
        this.buffer.addEventListener("updateend", done, { once: true });
        this.buffer.remove(spans.start(0), now - KEEP_BEHIND);
      });
    }

    close() {
      this.gone = true;
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  let player = null, playing = "";

  // The film that the page's marker names: the growing one, or the whole one.
  function play(mark, video) {
    const { run = "", live = "", film = "", shape = "" } = mark.dataset;
    if (video.style.aspectRatio.replaceAll(" ", "") !== shape) video.style.aspectRatio = shape;
    if (player) player.idle = mark.dataset.idle === "yes";
    const wanted = live ? `live ${run}` : film ? `film ${run}` : "";
    // Who watches a film to its end keeps the player: its playlist has an end by now.
    if (wanted === playing || (wanted === `film ${run}` && playing === `live ${run}`)) return;
    if (player) player.close();
    player = null;
    playing = wanted;
    video.parentElement.classList.toggle("lt-empty", !wanted);
    if (live && (window.ManagedMediaSource || window.MediaSource)) player = new LivePlayer(video, live);
    else if (live) video.src = live + "film.m3u8"; // a telephone's own player
    else if (film) video.src = film;
    else video.removeAttribute("src");
    if (wanted) video.play().catch(() => {}); // a browser may want a click first
  }

  function look() {
    dress();
    const mark = document.getElementById("lt-mark"), video = document.getElementById("lt-film");
    if (mark && video) play(mark, video);
  }

  // The switches at the top: the language goes into a cookie, light or dark into the browser's store.
  function follow(event) {
    const link = event.target.closest("[data-language]");
    if (link) {
      document.cookie = `longtake_language=${link.dataset.language}; path=/; max-age=31536000; samesite=lax`;
      link.search = location.search;
    }
    if (event.target.closest("[data-light]"))
      localStorage.setItem("longtake_light", document.body.classList.toggle("dark") ? "dark" : "light");
  }

  function dress() {
    const light = localStorage.getItem("longtake_light");
    if (light && document.body.classList.contains("dark") !== (light === "dark"))
      document.body.classList.toggle("dark"); // Gradio has its own idea when it begins
  }

  document.addEventListener("click", follow);
  setInterval(look, 300);
  window.longtake = {
    chosen: () => new URLSearchParams(location.search).get("run") || "",
    keep: (run) => {
      const address = new URL(location.href);
      if (run) address.searchParams.set("run", run);
      else address.searchParams.delete("run");
      if (address.href !== location.href) history.replaceState(null, "", address);
    },
  };
})();
