// A throw-away tightlip whose only upstream is a stand-in, at its most talkative, and what a person and an agent do with it.
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = process.env.TIGHTLIP_BINARY;
export const HOSTS = ['api.example.com', 'uploads.example.com', 'api.github.com'];

/** Starts it all. `values` are those that the upstream knows; none is stored yet. */
export async function startServer(values) {
  const folder = mkdtempSync(join(tmpdir(), 'tightlip-pages-'));
  const certificates = makeCertificates(folder);
  const upstream = await startUpstream(certificates, values);
  const data = join(folder, 'data');
  for (const name of ['data', 'user']) mkdirSync(join(folder, name), { mode: 0o700 });
  const resolve = HOSTS.map((host) => `"${host}:443" = "${upstream.address}"`).join(', ');
  const tls = `[api]\ntls_listen = "127.0.0.1:0"\ntls_certificate = "${certificates.file}"\ntls_key = "${certificates.keyFile}"\n`;
  writeFileSync(join(data, 'tightlip.toml'), `${tls}[gateway]\nupstream_ca = "${certificates.authority}"\nresolve = { ${resolve} }\n`, { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: join(folder, 'user'), TIGHTLIP_DATA: data, TERM: 'xterm' };
  const log = openSync(join(folder, 'log'), 'w');
  const server = spawn(BINARY, ['up', '--listen', '127.0.0.1:0', '--json'], { env: { ...env, TIGHTLIP_LOG: 'trace' }, stdio: ['ignore', 'pipe', log] });
  const line = await new Promise((ready, failed) => {
    createInterface({ input: server.stdout }).once('line', ready);
    server.once('exit', () => failed(new Error(readFileSync(join(folder, 'log'), 'utf8'))));
  });
  const { url, https_url: secureUrl } = JSON.parse(line);
  return new Served({ folder, data, upstream, env, server, url, secureUrl });
}

class Served {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** Runs tightlip with these arguments; gives what it wrote. */
  tightlip(...args) {
    return execFileSync(BINARY, args, { env: this.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** The owner's API key. */
  key() {
    return readFileSync(join(this.data, 'api-key'), 'utf8').trim();
  }

  /** Has an agent in a devbox ask for a secret towards these hosts. */
  async agent(name, ...hosts) {
    const work = mkdtempSync(join(this.folder, 'work-'));
    copyFileSync(join(import.meta.dirname, 'agent.mjs'), join(work, 'agent.mjs'));
    const allowed = hosts.flatMap((host) => ['--allow', host]);
    const child = spawn(BINARY, ['run', ...allowed, '--', 'node', 'agent.mjs', name, ...hosts], { env: this.env, cwd: work, stdio: ['ignore', 'pipe', 'pipe'] });
    const agent = { lines: [], beside: '' };
    child.stderr.on('data', (text) => { agent.beside += text; });
    const asked = new Promise((known, failed) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        agent.lines.push(line);
        const { link } = JSON.parse(line);
        if (link) known(link);
      });
      child.once('close', () => failed(new Error(`${agent.lines.join('\n')}\n${agent.beside}`)));
    });
    agent.ended = new Promise((done) => child.once('close', (code) => done(code)));
    agent.askForOthers = () => writeFileSync(join(work, 'other-hosts'), '');
    agent.link = await asked;
    agent.uses = () => agent.lines.map((line) => JSON.parse(line)).filter(({ used }) => used);
    agent.transcript = () => `${agent.lines.join('\n')}\n${agent.beside}`;
    return agent;
  }

  /** Every file of the data folder, and the log. */
  files() {
    return [...walk(this.data), join(this.folder, 'log')].map((path) => [path, readFileSync(path)]);
  }

  async stop() {
    const ended = new Promise((done) => this.server.once('exit', done));
    this.server.kill('SIGTERM');
    await ended;
    await this.upstream.close();
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The files below a folder; sockets have nothing to read. */
export function walk(folder) {
  return readdirSync(folder).map((name) => join(folder, name)).flatMap((path) => {
    const about = lstatSync(path);
    return about.isDirectory() ? walk(path) : about.isFile() ? [path] : [];
  });
}

/** Says which of the values a request carried, by its place in the list, and never the value. */
async function startUpstream({ certificate, key }, values) {
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const known = values.map((value) => `Bearer ${value}`).indexOf(request.headers.authorization);
    response.writeHead(known < 0 ? 401 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ known }));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }),
  };
}

/** An authority, and a certificate for the stand-in's names and the server's own port with TLS. */
function makeCertificates(folder) {
  const at = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-days', '2', '-subj', '/CN=pages authority', '-keyout', 'ca.key', '-out', 'ca.pem');
  openssl('req', ...key, '-subj', '/CN=pages upstream', '-keyout', 'key.pem', '-out', 'request.pem');
  const names = ['IP:127.0.0.1', ...HOSTS.map((host) => `DNS:${host}`)].join(',');
  writeFileSync(at('names'), `subjectAltName=${names}\nbasicConstraints=critical,CA:FALSE\n`);
  openssl('x509', '-req', '-in', 'request.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names', '-out', 'certificate.pem');
  const [file, keyFile] = ['certificate.pem', 'key.pem'].map((name) => join(folder, 'tls', name));
  mkdirSync(join(folder, 'tls'));
  for (const path of [file, keyFile]) copyFileSync(at(basename(path)), path);
  return { certificate: readFileSync(file), key: readFileSync(keyFile), authority: at('ca.pem'), file, keyFile };
}
