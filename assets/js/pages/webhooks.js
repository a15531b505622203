// The Deploy tab's part for webhooks: endpoints, their tests and secrets, and the log of the one that is chosen.
import { setUpWebhooks } from "../webhooks/panel.js";

const root = document.getElementById("webhooks-panel");
if (root) setUpWebhooks(root);
