// The knowledge tab: documents with their live state, upload, search test.

import { readStrings } from "../chat/dom.js";
import { api } from "../lib/api.js";
import { h, icon } from "../lib/dom.js";
import { toast, undoable } from "../lib/toast.js";
import { openPassages } from "./passages.js";
import { DocumentRow } from "./row.js";
import { setUpSearch } from "./search.js";
import { setUpDrop, uploadFile } from "./upload.js";

const POLL_MS = [600, 800, 1000, 1500, 2000, 3000];
const UNFINISHED = new Set(["queued", "parsing", "embedding"]);
const UPLOADS_AT_ONCE = 2;

export function setUpKnowledge(root, agent) {
  return new Knowledge(root, agent);
}

class Knowledge {
  constructor(root, agent) {
    this.t = readStrings("chat-strings", "knowledge-strings"); // of the chat: what a passage's tables and code say
    Object.assign(this, {
      root,
      agent,
      path: `/api/agents/${agent.id}/knowledge`,
      rows: new Map(),
      queue: [],
      uploading: 0,
      polls: 0,
    });
    this.place = root.querySelector("[data-documents]");
    this.status = root.querySelector("[data-status]");
    this.test = root.querySelector("[data-test]");
    this.count = document.getElementById("document-count");
    if (agent.can_edit) setUpDrop(root, (files) => this.add(files));
    setUpSearch(root, this.path, this.t);
    root.addEventListener(
      "click",
      (event) => event.target.closest("[data-choose]") && root.querySelector("[data-files]").click(),
    );
    document.addEventListener("visibilitychange", () => !document.hidden && this.#isUnfinished() && this.#poll());
    this.place.replaceChildren(
      h("div", { class: "skeleton documents__skeleton" }),
      h("div", { class: "skeleton documents__skeleton" }),
    );
    this.load();
  }

  async load() {
    try {
      const documents = await this.#readAll();
      this.#show(documents);
      if (this.#isUnfinished()) this.#schedule();
    } catch (error) {
      const retry = h("button", { type: "button", class: "btn btn--sm", onclick: () => this.load() }, this.t("retry"));
      const words = h("div", {}, `${this.t("loadingFailed")} ${error.message}`);
      this.place.replaceChildren(h("div", { class: "notice notice--bad" }, icon("circle-alert"), words, retry));
    }
  }

  /** Upload these files, two at a time, each with a row from the start. */
  add(files) {
    for (const file of files) {
      const row = new DocumentRow(this.t, this.#actions());
      row.showUpload(file);
      this.rows.set(row, row);
      this.queue.push({ file, row });
    }
    this.#arrange();
    this.#next();
  }

  #actions() {
    return {
      open: (row) => openPassages(this.path, row.document, this.t),
      retry: (row) => (row.document ? this.#retry(row) : this.#uploadAgain(row)),
      remove: (row) => this.#remove(row),
      canEdit: this.agent.can_edit,
    };
  }

  #next() {
    while (this.uploading < UPLOADS_AT_ONCE && this.queue.length > 0) this.#upload(this.queue.shift());
  }

  async #upload({ file, row }) {
    const problem = this.#findProblem(file);
    if (problem) return row.showUploadFailed(file, problem);
    this.uploading++;
    try {
      row.upload = uploadFile(this.path, file, (part) => row.showUploadProgress(part));
      const document = await row.upload.done;
      this.rows.delete(row);
      this.rows.set(document.id, row);
      row.show(document);
      this.#arrange();
      this.#schedule(true);
    } catch (error) {
      if (error.code !== "cancelled")
        row.showUploadFailed(file, { code: error.code, message: error.message || this.t("uploadFailed") });
    } finally {
      this.uploading--;
      this.#next();
    }
  }

  #findProblem(file) {
    const limit = this.agent.max_upload_bytes;
    const isKnown = new RegExp(
      `(${this.root.querySelector("[data-files]").accept.replaceAll(".", "\\.").replaceAll(",", "|")})$`,
      "i",
    ).test(file.name);
    if (!isKnown) return { code: "type_mismatch", message: this.t("wrongFormat", { formats: this.t("formats") }) };
    if (file.size > limit)
      return { code: "too_large", message: this.t("tooLarge", { limit: `${Math.floor(limit / 1024 / 1024)} MB` }) };
    return null;
  }

  #uploadAgain(row) {
    row.showUpload(row.file);
    this.queue.push({ file: row.file, row });
    this.#next();
  }

  async #retry(row) {
    try {
      row.show(await api.post(`${this.path}/${row.document.id}/retry`));
      this.#schedule(true);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }

  #remove(row) {
    row.upload?.cancel();
    const key = row.document?.id ?? row;
    this.rows.delete(key);
    this.#arrange();
    this.root.querySelector("[data-choose]")?.focus();
    if (!row.document) return;
    row.isRemoved = true;
    this.removed = (this.removed ?? new Set()).add(key);
    undoable(this.t("deleted", { name: row.document.name }), {
      run: () => api.delete(`${this.path}/${key}`, { keepalive: true }).catch((error) => this.#undelete(row, error)),
      undo: () => this.#undelete(row),
    });
  }

  #undelete(row, error = null) {
    this.removed.delete(row.document.id);
    if (error && error.status === 404) return;
    if (error) toast(error.message, { kind: "bad" });
    this.rows.set(row.document.id, row);
    this.#arrange();
  }

  async #readAll() {
    const documents = [];
    let cursor = "";
    do {
      const page = await api.get(`${this.path}?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      documents.push(...page.data);
      cursor = page.next;
    } while (cursor);
    return documents.filter((document) => !this.removed?.has(document.id));
  }

  #show(documents) {
    const known = new Set(documents.map((document) => document.id));
    for (const key of this.rows.keys()) if (typeof key === "string" && !known.has(key)) this.rows.delete(key);
    for (const document of documents) {
      const row = this.rows.get(document.id) ?? new DocumentRow(this.t, this.#actions());
      this.rows.set(document.id, row);
      this.#announce(row.document, document);
      row.show(document);
    }
    this.#arrange();
  }

  #announce(before, after) {
    if (!before || before.status === after.status) return;
    if (after.status === "ready") this.status.textContent = this.t("added", { name: after.name });
    if (after.status === "failed")
      this.status.textContent = this.t("failedNamed", { name: after.name, reason: after.error?.message ?? "" });
  }

  #arrange() {
    const rows = [...this.rows.values()].sort((one, other) => other.time - one.time);
    this.count.textContent = String(rows.length);
    this.count.hidden = rows.length === 0;
    this.test.hidden = !rows.some((row) => row.document?.status === "ready");
    if (rows.length === 0) {
      this.place.replaceChildren(this.root.querySelector("template[data-empty]").content.cloneNode(true));
      this.list = null;
      return;
    }
    if (!this.list) {
      this.list = h("ul", { class: "documents" });
      this.place.replaceChildren(this.list);
    }
    const wanted = rows.map((row) => row.element);
    for (const element of [...this.list.children]) if (!wanted.includes(element)) element.remove();
    wanted.forEach(
      (element, index) =>
        this.list.children[index] !== element && this.list.insertBefore(element, this.list.children[index] ?? null),
    );
  }

  #isUnfinished() {
    return [...this.rows.values()].some((row) => UNFINISHED.has(row.document?.status));
  }

  #schedule(soon = false) {
    if (soon) this.polls = 0;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#poll(), POLL_MS[Math.min(this.polls++, POLL_MS.length - 1)]);
  }

  async #poll() {
    clearTimeout(this.timer);
    if (document.hidden) return;
    try {
      this.#show(await this.#readAll());
    } catch {
      // the server may be restarting: the next poll tells
    }
    if (this.#isUnfinished()) this.#schedule();
  }
}
