// The storefront: results as one types (htmx does the asking); the address says what is shown.

document.querySelector(".store__chips [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
// A field that is emptied leaves a clean address behind it.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  for (const [name, value] of Object.entries(detail.parameters)) if (!value) delete detail.parameters[name];
});
document.addEventListener("htmx:afterSettle", () => {
  document.getElementById("announcer").textContent = document.getElementById("results")?.dataset.announce ?? "";
});
