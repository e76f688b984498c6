// Stands before the server for clients that cannot show an API key: adds it, and passes all else as it is.
import { createServer, request } from 'node:http';

export async function startRelay(target, key) {
  const { hostname, port } = new URL(target);
  const relay = createServer((asked, answer) => {
    const headers = { ...asked.headers, authorization: `Bearer ${key}` };
    const passed = request({ hostname, port, path: asked.url, method: asked.method, headers }, (told) => {
      answer.writeHead(told.statusCode, told.headers);
      told.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise((done) => relay.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${relay.address().port}/mcp`, close: () => { relay.close(); relay.closeAllConnections(); } };
}
