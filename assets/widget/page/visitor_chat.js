// The chat component as visitors have it: their own session, their own conversation, the agent's colours.

import { mountChat } from "../../js/chat/index.js";
import { paintPage } from "./colours.js";
import { VisitorSession } from "./session.js";
import { Kept } from "./storage.js";

/** Mount it. `page`: what the server says {agent, key}; `hooks`: {onMessage(message), onError(error), variables(), colours,
 * kept, keep(all) (storage.js), forgets: whether what is kept of earlier visits goes first}. */
export function mountVisitorChat(element, page, hooks = {}) {
  const storage = new Kept(hooks.kept, (all) => hooks.keep?.(all));
  const session = new VisitorSession(page.agent.id, page.key, storage, (error) => hooks.onError?.(error));
  if (hooks.forgets) session.forget();
  paintPage(hooks.colours ?? page.agent.appearance);
  const chat = mountChat(element, {
    agent: page.agent,
    session,
    isVisitor: true,
    variables: hooks.variables,
    onMessage: hooks.onMessage,
    onError: hooks.onError,
    store: {
      get: () => session.conversation,
      set: (id) => {
        session.conversation = id;
      },
    },
  });
  return { chat, session };
}

export function readPage() {
  return JSON.parse(document.getElementById("page").textContent);
}
