// The live demo on the landing page: the chat component on one agent, in a visitor's own session.

import { VisitorSession } from "../../widget/page/session.js";
import { Kept } from "../../widget/page/storage.js";
import { mountChat } from "../chat/index.js";

const data = document.getElementById("page");
if (data) {
  const { agent, key } = JSON.parse(data.textContent);
  const nobody = () => {}; // visitors of this page have no identity that could be refused
  const session = new VisitorSession(agent.id, key, new Kept({}, nobody), nobody);
  mountChat(document.getElementById("demo"), { agent, session, isVisitor: true });
}
