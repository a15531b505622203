// The agent as the page shows it: what was loaded, with the edits made since, saved or not.

export class AgentStore {
  constructor(agent) {
    this.agent = agent;
    this.listeners = new Set();
  }

  get config() {
    return this.agent.config;
  }

  /** Call `listener(agent, isReplaced)` at each edit, save and replacement. */
  subscribe(listener) {
    this.listeners.add(listener);
    listener(this.agent, true);
  }

  /** An edit made here: fields of the configuration, or of the agent itself. */
  edit(kind, changes) {
    if (kind === "config") this.agent = { ...this.agent, config: { ...this.config, ...changes } };
    else this.agent = { ...this.agent, ...changes };
    this.#tell(false);
  }

  /** The server has saved: take its version and status, keep what was typed since. */
  markSaved({ version, live_version: liveVersion, status, updated_at: updatedAt }) {
    this.agent = { ...this.agent, version, live_version: liveVersion, status, updated_at: updatedAt };
    this.#tell(false);
  }

  /** Whether programs and visitors are answered now, and the name in addresses. */
  markDeployment({ is_serving: isServing, slug }) {
    this.agent = { ...this.agent, is_serving: isServing, slug };
    this.#tell(false);
  }

  /** Show this agent instead, in the forms too. */
  replace(agent) {
    this.agent = { ...this.agent, ...agent };
    this.#tell(true);
  }

  #tell(isReplaced) {
    for (const listener of this.listeners) listener(this.agent, isReplaced);
  }
}
