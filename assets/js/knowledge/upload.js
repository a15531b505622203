// Files in: by button, by drop anywhere on the tab, with real progress (XMLHttpRequest: fetch cannot tell it).

import { ApiError, csrfToken } from "../lib/api.js";

/** Upload one file. Returns {done: Promise of the document, cancel()}. */
export function uploadFile(path, file, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", path);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status < 300) resolve(answer);
      else reject(new ApiError(request.status, answer?.error));
    };
    request.onerror = () =>
      reject(new ApiError(0, { code: "network_error", message: document.documentElement.dataset.offlineText }));
    request.onabort = () => reject(new ApiError(0, { code: "cancelled" }));
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Take files from the tab's file input and from drops anywhere on the tab. */
export function setUpDrop(root, onFiles) {
  const input = root.querySelector("[data-files]");
  const overlay = root.querySelector("[data-drop]");
  const area = root.closest('[role="tabpanel"]') ?? root;
  let depth = 0;
  const show = (isShown) => {
    depth = isShown ? depth : 0;
    overlay.hidden = !isShown;
  };
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = "";
  });
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  area.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth++;
    show(true);
  });
  area.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  area.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) show(false);
  });
  area.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(false);
    onFiles([...event.dataTransfer.files]);
  });
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault()); // a file dropped beside must not replace the page
  addEventListener("drop", (event) => hasFiles(event) && event.preventDefault());
}
