// Adds an API key to requests for an agent's MCP server: for conformance tests that cannot send a header (docs/mcp.md).
// node bench/mcp_proxy.mjs PORT URL KEY
import http from "node:http";

const [port, address, key] = process.argv.slice(2);
const target = new URL(address);

http
  .createServer((request, response) => {
    const headers = { ...request.headers, authorization: `Bearer ${key}` };
    // Our own address stands for the server's; any other host or origin is passed on as it came.
    if (headers.host === `localhost:${port}`) headers.host = target.host;
    if (headers.origin === `http://localhost:${port}`) headers.origin = target.origin;
    const options = { host: target.hostname, port: target.port, path: target.pathname, method: request.method, headers };
    const upstream = http.request(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  })
  .listen(Number(port), "127.0.0.1");
