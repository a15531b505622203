// The storefront: results as one types (htmx does the asking); the address says what is shown.

const input = document.getElementById("q");
if (input && !matchMedia("(pointer: coarse)").matches && input.value) {
  input.setSelectionRange(input.value.length, input.value.length);
}
// A field that is emptied leaves a clean address behind it.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  for (const [name, value] of Object.entries(detail.parameters)) if (!value) delete detail.parameters[name];
});
