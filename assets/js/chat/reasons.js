// Why a model did not answer, in the reader's language. The API says it in English: a sentence of a known pattern, and
// behind it in parentheses the provider's own words. The page brings the sentences with their translations (llm/reasons.py).

/** The message in the reader's language; null when the page does not know its sentence. */
export function translateReason(message) {
  for (const [english, translated] of readReasons()) {
    const found = patternOf(english).exec(message);
    if (!found) continue;
    const { words, ...values } = found.groups;
    const sentence = translated.replace(/%\((\w+)\)s/g, (_whole, name) => values[name]);
    return words ? `${sentence} (${words})` : sentence;
  }
  return null;
}

const readReasons = () => JSON.parse(document.getElementById("model-reasons")?.textContent ?? "[]");

/** What the sentence looks like: `%(name)s` is any text. */
function patternOf(sentence) {
  const parts = sentence.split(/%\((\w+)\)s/);
  const source = parts.map((part, index) => (index % 2 ? `(?<${part}>.+?)` : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${source.join("")}(?: \\((?<words>.*)\\))?$`, "s");
}
