// An agent's own page: the visitor's chat over the whole window.

import { mountVisitorChat, readPage } from "../../widget/page/visitor_chat.js";

const { chat } = mountVisitorChat(document.getElementById("chat"), readPage());
document.getElementById("new").addEventListener("click", () => chat.startNew());
document.getElementById("history").addEventListener("click", () => chat.showHistory());
document.documentElement.dataset.ready = "";
