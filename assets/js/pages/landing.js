// The live demo on the landing page: the chat component on one agent, through an API key made for this page.

import { mountChat } from "../chat/index.js";

const data = document.getElementById("landing-demo");
if (data) {
  const { agent, key } = JSON.parse(data.textContent);
  mountChat(document.getElementById("demo"), { agent, apiKey: key });
}
