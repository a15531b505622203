// The official Node client at work; prints what it saw as one JSON object, which test_node.py judges.
// Usage: node client.mjs BASE_URL API_KEY MODEL

import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = (content) => ({ model, messages: [{ role: "user", content }] });
const cited = "Who is the harbour master? SAY: Odile Kerr [1] indeed";

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function failure(call) {
  try {
    await call();
  } catch (error) {
    const { status, code, type, param } = error;
    return { kind: error.constructor.name, status, code, type, param, requestId: Boolean(error.requestID) };
  }
  return { kind: "none" };
}

async function streamFailure() {
  const stream = await client.chat.completions.create({ ...ask("WORDS:20 DELAY:5 FAULT:drop"), stream: true });
  return failure(() => collect(stream));
}

const completion = await client.chat.completions.create(ask(cited));
const chunks = await collect(
  await client.chat.completions.create({ ...ask(cited), stream: true, stream_options: { include_usage: true } }),
);
const accumulated = await client.chat.completions.stream(ask(cited)).finalChatCompletion();
const response = await client.responses.create({ model, input: cited, instructions: "Be short." });
const events = await collect(await client.responses.create({ model, input: cited, stream: true }));
const streamed = await client.responses.stream({ model, input: "SAY: Hello" }).finalResponse();
const followed = await client.responses.create({ model, input: "SAY: Two", previous_response_id: response.id });
const background = await client.responses.create({ model, input: "WORDS:900 DELAY:20", background: true });
const wrongKey = client.withOptions({ apiKey: "gilo_no" });

const seen = {
  models: (await collect(client.models.list())).map(({ id }) => id),
  model: await client.models.retrieve(model),
  completion,
  chunks,
  accumulated: accumulated.choices[0].message,
  response,
  events,
  streamed: streamed.output_text,
  followed,
  retrieved: await client.responses.retrieve(response.id),
  cancelled: (await client.responses.cancel(background.id)).status,
  failures: {
    badRequest: await failure(() => client.chat.completions.create({ ...ask("Hi"), temperature: 9 })),
    wrongKey: await failure(() => wrongKey.models.list()),
    noModel: await failure(() => client.models.retrieve("gpt-5")),
    noResponse: await failure(() => client.responses.retrieve("resp_x")),
    rateLimit: await failure(() => client.responses.create({ model, input: "FAULT:429" })),
    upstream: await failure(() => client.chat.completions.create(ask("FAULT:500"))),
    stream: await streamFailure(),
  },
};
process.stdout.write(JSON.stringify(seen));
