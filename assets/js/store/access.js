// Access tokens of private agents: they come in the address's fragment, which no server sees, and stay in this tab.

const nameOf = (slug) => `gilo:store-token:${slug}`;

/** Keep the token that the address carries (`#token=…`), and take it out of the address. */
export function takeTokenFromAddress(slug) {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  keepToken(slug, token);
  history.replaceState(history.state, "", location.pathname + location.search);
}

export function keepToken(slug, token) {
  try {
    if (token) sessionStorage.setItem(nameOf(slug), token);
    else sessionStorage.removeItem(nameOf(slug));
  } catch {
    // A browser that keeps nothing asks again.
  }
}

export function keptToken(slug) {
  try {
    return sessionStorage.getItem(nameOf(slug)) ?? "";
  } catch {
    return "";
  }
}
