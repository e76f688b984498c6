// Stands between the client and the server and counts connections, and those that begin with HTTP/2's preface (RFC 9113, section 3.4); passes every byte as it is.
import net from 'node:net';

export async function startRelay(target) {
  const { protocol, hostname, port } = new URL(target);
  const relay = { connections: 0, http2: 0, secure: protocol === 'https:' };
  const open = new Set();
  const server = net.createServer((client) => {
    relay.connections += 1;
    open.add(client);
    client.once('close', () => open.delete(client));
    const upstream = net.connect(Number(port), hostname);
    client.once('data', (chunk) => { relay.http2 += chunk.subarray(0, 14).toString() === 'PRI * HTTP/2.0' ? 1 : 0; });
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  relay.url = `${protocol}//127.0.0.1:${server.address().port}`;
  // The SDK has no way to close its connections, and keeps the program alive by them.
  relay.close = () => { server.close(); open.forEach((client) => client.destroy()); };
  return relay;
}
