// Tell the page around the frame why there is no chat: it stands in that page's console, for whoever builds it.

const { message } = document.getElementById("refused").dataset;
if (parent !== window) parent.postMessage({ gilo: "refused", message }, "*");
