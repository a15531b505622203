// Server-sent events over fetch: unlike EventSource it can POST, send headers, and say how a connection ended.

/** Yields {id, event, data} from a response body, in order; data is the parsed JSON, or the text when it is none. */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let block = newBlock();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      const lines = buffer.split(/\r\n|\n|\r(?!$)/);
      buffer = lines.pop();
      for (const line of lines) {
        if (line !== "") {
          readLine(block, line);
        } else if (block.lines.length > 0) {
          yield finishBlock(block);
          block = newBlock(block.id);
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the connection may be gone already
  }
}

const newBlock = (id = "") => ({ id, event: "message", lines: [] });

function readLine(block, line) {
  if (line.startsWith(":")) return; // a comment keeps the connection open
  const colon = line.indexOf(":");
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (field === "data") block.lines.push(value);
  else if (field === "event") block.event = value;
  else if (field === "id") block.id = value;
}

function finishBlock(block) {
  const text = block.lines.join("\n");
  return { id: block.id, event: block.event, data: parse(text) };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
