// The preview's page: shows the widget with the options that the panel around it sends.

const ID = "preview";
const launcher = document.getElementById("open");

addEventListener("message", ({ source, origin, data }) => {
  if (source !== parent || origin !== location.origin || !data?.options) return;
  show(data.options);
});
launcher.addEventListener("click", () => window.gilo.get(ID)?.open());
for (const name of ["open", "close"]) document.addEventListener(`gilo:${name}`, () => tell({ isOpen: name === "open" }));
tell({ isReady: true });

function show(options) {
  const wasOpen = window.gilo.get(ID)?.isOpen ?? false;
  window.gilo.get(ID)?.destroy();
  launcher.hidden = options.mode !== "popup" && options.launcher !== "none";
  const widget = window.gilo.init({ ...options, id: ID, target: "#inline", open: undefined, openAfter: undefined });
  if (wasOpen && options.mode !== "inline") widget?.open({ focus: false });
}

function tell(data) {
  if (parent !== window) parent.postMessage({ preview: data }, location.origin);
}
