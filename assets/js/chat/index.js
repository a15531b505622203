// The chat, for the playground, the store, the hosted page and the widget: `mountChat(element, options)`.

import { paintAvatar } from "./avatar.js";
import { ChatClient } from "./client.js";
import { Composer } from "./composer.js";
import { readStrings } from "./dom.js";
import { History } from "./history.js";
import { Answer, explainError, Question } from "./message.js";
import { SourceSheet } from "./sources.js";
import { ChatView } from "./view.js";

/** The first words of a long name: the empty composer keeps to one line. */
const beginningOf = (name) => (name.length > 26 ? name.slice(0, 27).replace(/\s+\S*$/, "") : name);

/**
 * Mount a chat in `element`.
 * options: agent {id, name, appearance, welcome_message, suggested_questions}, isDemo, modelsUrl, storage (a key for
 * remembering the open conversation in this tab) or store {get(), set(id)}, beforeSend (awaited before each question),
 * variables (() => object), loadPassage(citation) (the whole text behind a citation), onConversation(id).
 * Visitors' chats: session {token(), renew()} (client.js), isVisitor, onMessage({role, text, conversationId, messageId}),
 * onError(error).
 */
export function mountChat(element, options) {
  return new Chat(element, options);
}

class Chat {
  constructor(element, options) {
    this.options = options;
    this.agent = options.agent;
    this.t = readStrings("chat-strings", "visitor-strings");
    this.client = new ChatClient(this.agent.id, options.session);
    this.store = options.store ?? tabStore(options.storage);
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(`gilo-chat-${this.agent.id}`) : null;
    this.channel?.addEventListener("message", (event) => this.#hear(event.data));
    this.turns = []; // {question, answer}
    this.waiting = []; // questions to be put as soon as the chat is free
    this.opening = null; // stands for the conversation that is being read
    this.holds = new Set(); // what must be done before a question is put
    this.composer = new Composer(this.t, { send: (text, isEdit) => this.#send(text, isEdit), stop: () => this.stop() });
    this.sources = new SourceSheet(this.t, options.loadPassage);
    const actions = {
      open: (id) => this.#visit(id),
      startNew: () => this.startNew(),
      onClose: () => this.composer.focus(),
      onDelete: (id) => id === this.conversationId && this.startNew(),
    };
    this.history = new History(this.client, this.t, actions, options.canDelete ?? (() => !options.isVisitor));
    this.view = new ChatView(element, this, (question) => this.#send(question, false));
    this.update(this.agent);
    this.setDemo(Boolean(options.isDemo));
    this.#restore();
  }

  /** Show the agent as it is now: name, colours, welcome, suggestions. */
  update(agent) {
    this.agent = agent;
    this.composer.setPlaceholder(this.t("placeholder", { name: beginningOf(agent.name) }));
    for (const { answer } of this.turns) if (answer) paintAvatar(answer.avatar, agent);
    this.view.showAgent(agent);
  }

  /** Say above the chat that the demo model answers, or stop saying it. */
  setDemo(isDemo) {
    this.view.demo.hidden = !isDemo;
  }

  startNew() {
    this.waiting = [];
    this.#leave();
    this.#remember(null);
    this.view.clear();
    this.composer.edit(null);
    this.composer.focus();
  }

  /** Begin again as somebody else: with the conversation that the store has now, or none. What waits is put there. */
  restart() {
    this.#leave();
    this.conversationId = null;
    this.view.clear();
    this.history.element.hidden = true;
    this.sources.element.close();
    this.composer.edit(null, false);
    this.#restore();
  }

  /** Begin again with nothing of who was here: no draft, no question that waits. */
  forget() {
    this.waiting = [];
    this.holds.clear();
    this.composer.empty();
    this.restart();
  }

  /** Put no question before this is done; it may restart the chat. */
  async hold(work) {
    this.holds.add(work);
    try {
      await work;
    } finally {
      this.holds.delete(work);
    }
    this.#askNext();
  }

  /** Ask this as if it had been written; when the chat is not free, as soon as it is. */
  ask(text) {
    this.waiting.push(text);
    this.#askNext();
  }

  /** Open a past conversation; an answer that is still being made goes on. Questions that wait are put in it. */
  async open(conversationId) {
    this.#leave();
    const opening = {};
    this.opening = opening;
    this.view.setLoading(true);
    const messages = await this.#readAll(conversationId).catch((error) => error);
    if (this.opening !== opening) return; // left for another one meanwhile
    this.opening = null;
    this.view.clear();
    if (messages instanceof Error) this.#showNotOpened(conversationId, messages);
    else {
      this.#remember(conversationId);
      this.#showMessages(messages);
    }
    this.view.setLoading(false);
    this.#askNext();
  }

  /** Open it because the visitor has chosen it: what waits was not meant for it. */
  #visit(conversationId) {
    this.waiting = [];
    return this.open(conversationId);
  }

  #showNotOpened(conversationId, error) {
    if (error.status === 404) this.#remember(null);
    this.view.showFailure(error.message || this.t("offline"), () => this.open(conversationId));
  }

  showHistory() {
    return this.history.isOpen ? this.history.close() : this.history.show(this.conversationId);
  }

  async stop() {
    this.isStopping = true;
    const { runId } = this.live ?? {};
    if (runId) await this.client.stop(runId).catch(() => this.live?.abort.abort());
  }

  #leave() {
    this.live?.abort.abort(); // stop following; the server goes on
    this.live = null;
    this.opening = null;
    this.turns = [];
    this.view.setLoading(false);
    this.composer.setBusy(false);
    this.view.setBusy(false);
  }

  #remember(conversationId) {
    this.conversationId = conversationId;
    this.options.onConversation?.(conversationId);
    this.store?.set(conversationId);
  }

  #restore() {
    const id = this.store?.get();
    if (id) this.open(id);
  }

  async #readAll(conversationId) {
    const messages = [];
    let cursor = null;
    do {
      const page = await this.client.listMessages(conversationId, cursor);
      messages.push(...page.data);
      cursor = page.next;
    } while (cursor);
    return messages;
  }

  #showMessages(messages) {
    for (const message of messages) {
      if (message.role === "user") this.#addTurn(message);
      else this.#showAnswer(message);
    }
    this.#markLast();
    this.view.scrollToNewest();
  }

  #showAnswer(message) {
    const turn = this.turns.at(-1) ?? this.#addTurn({ content: "" });
    const answer = this.#addAnswer(turn);
    answer.messageId = message.id;
    answer.feedback = message.feedback;
    answer.setCitations(message.citations);
    if (message.status === "streaming" && message.run) {
      answer.set(message.content);
      this.#follow(answer, message.run.id);
    } else {
      answer.finish(message.status, { content: message.content, run: message.run });
    }
  }

  #addTurn(message) {
    const question = new Question(message.content, this.t, { onEdit: (chosen) => this.composer.edit(chosen.content) });
    const turn = { question, answer: null };
    this.turns.push(turn);
    this.view.addMessage(question.element);
    return turn;
  }

  #addAnswer(turn) {
    turn.answer = new Answer(this.agent, this.t, {
      onCite: (citation, all) => this.sources.show(citation, all),
      onRate: (answer, value) => this.#rate(answer, value),
      isVisitor: this.options.isVisitor,
      onRegenerate: () => this.#askAgain(turn.question.content),
      onRetry: () => this.#askAgain(turn.question.content),
      onPaint: () => this.view.keepAtNewest(),
    });
    this.view.addMessage(turn.answer.element);
    return turn.answer;
  }

  #markLast() {
    this.turns.forEach(({ question, answer }, index) => {
      const isLast = index === this.turns.length - 1;
      question.setLast(isLast);
      answer?.setLast(isLast);
    });
  }

  get #isFree() {
    return !this.live && !this.opening && this.holds.size === 0;
  }

  #askNext() {
    if (this.waiting.length > 0 && this.#isFree) this.#ask(this.waiting.shift(), false);
  }

  #send(text, isEdit) {
    if (this.live) return;
    if (isEdit) this.#askAgain(text);
    else this.ask(text);
  }

  /** Put the last question again, as it was or changed: the new turn takes the place of the last one. */
  async #askAgain(text) {
    if (this.live) return;
    if (!this.#isFree) return this.ask(text); // the last turn may be another one by then
    const last = this.turns.pop();
    last?.question.element.remove();
    last?.answer?.element.remove();
    await this.#ask(text, Boolean(last) && Boolean(this.conversationId));
  }

  async #ask(text, regenerate) {
    const turn = this.#addTurn({ content: text });
    const answer = this.#addAnswer(turn);
    this.#markLast();
    this.view.scrollToNewest();
    const payload = { message: text, stream: true };
    if (this.conversationId) payload.conversation_id = this.conversationId;
    if (regenerate) payload.regenerate = true;
    await this.#run(turn, async (signal) => {
      await this.options.beforeSend?.();
      const variables = this.options.variables?.() ?? {};
      if (Object.keys(variables).length > 0) payload.variables = variables;
      return this.client.ask(payload, signal);
    });
  }

  #follow(answer, runId) {
    const turn = this.turns.find((item) => item.answer === answer);
    return this.#run(turn, async (signal) => this.client.follow(runId, "", signal), runId);
  }

  /** Show a run's events to its end. `replayed` gathers the text, so that a replay never shortens what is shown. */
  async #run(turn, open, runId = null) {
    const abort = new AbortController();
    const live = { abort, runId, replayed: "" };
    this.live = live;
    this.isStopping = false;
    turn.answer.start();
    this.composer.setBusy(true);
    this.view.setBusy(true);
    try {
      for await (const event of await open(abort.signal)) {
        if (this.live !== live) return;
        this.#receive(turn, event, live);
      }
    } catch (error) {
      if (!abort.signal.aborted) this.#onFailure(turn, error);
    }
    if (this.live !== live) return;
    this.live = null;
    this.composer.setBusy(false);
    this.view.setBusy(false);
    this.#markLast();
    this.#askNext();
  }

  #onFailure(turn, error) {
    turn.answer.finish("failed", { error: error.message ? error : { message: this.t("offline") } });
    this.options.onError?.(error);
  }

  #receive(turn, { event, data }, live) {
    const { answer } = turn;
    if (event === "reconnecting") return answer.setReconnecting(true);
    answer.setReconnecting(false);
    if (event === "run.started") this.#onStarted(turn, data, live);
    else if (event === "citations") answer.setCitations(Array.isArray(data) ? data : data.citations);
    else if (event === "delta") this.#onText(answer, typeof data === "string" ? data : data.text, live);
    else if (event === "run.finished") this.#onFinished(answer, data);
    else if (event === "error") this.#onError(answer, data.error ?? data);
  }

  #onStarted(turn, data, live) {
    live.runId = data.run_id;
    turn.answer.messageId = data.message_id;
    if (this.conversationId !== data.conversation_id) this.#remember(data.conversation_id);
    this.channel?.postMessage({ type: "started", conversationId: data.conversation_id, runId: data.run_id });
    this.#report("user", turn.question.content, null);
    if (this.isStopping) this.stop();
  }

  #onText(answer, text, live) {
    live.replayed += text;
    if (live.replayed.length >= answer.text.length) answer.set(live.replayed);
  }

  #onFinished(answer, data) {
    const status = data.status ?? (data.finish_reason === "cancelled" ? "cancelled" : "complete");
    const run = { ...data.usage, ttft_ms: data.ttft_ms, latency_ms: data.latency_ms };
    answer.finish(status, { content: data.content ?? answer.text, run });
    this.#report("assistant", answer.text, answer.messageId);
    this.view.announce(
      status === "complete"
        ? this.t("answered", { text: answer.prose.textContent.slice(0, 600) })
        : this.t("cancelled"),
    );
  }

  #onError(answer, error) {
    answer.finish(answer.text ? "partial" : "failed", { error });
    this.view.announce(explainError(error, this.t));
    this.options.onError?.(error);
  }

  #report(role, text, messageId) {
    this.options.onMessage?.({ role, text, messageId, conversationId: this.conversationId });
  }

  async #rate(answer, value) {
    const before = answer.feedback;
    answer.showFeedback(value);
    await this.client.rate(answer.messageId, value).catch(() => answer.showFeedback(before));
  }

  #hear(message) {
    const isOurs = message.type === "started" && message.conversationId === this.conversationId;
    if (isOurs && this.live?.runId !== message.runId) this.open(this.conversationId);
  }
}

/** Remembers the open conversation until the tab is closed, under this name. */
function tabStore(name) {
  if (!name) return null;
  return {
    get: () => sessionStorage.getItem(name),
    set: (id) => (id ? sessionStorage.setItem(name, id) : sessionStorage.removeItem(name)),
  };
}
