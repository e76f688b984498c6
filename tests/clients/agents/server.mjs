// A throw-away tightlip whose only upstreams are the two stand-ins, and the agents' command lines run in its devboxes.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { startStandIn } from './stand-in.mjs';

const BINARY = process.env.TIGHTLIP_BINARY;
const PROGRAMS = join(import.meta.dirname, 'node_modules/.bin');
const HOSTS = { claude: ['api.anthropic.com', 'api.anthropic.test'], codex: ['api.openai.com', 'api.openai.test'] };

/** What the models say. No agent says it by itself. */
export const WORDS = 'the lantern hums softly at noon';

/** Starts it all. `values` holds the true credentials, by agent; no secret is stored yet. */
export async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), 'tightlip-agents-'));
  const values = { claude: `sk-ant-api03-${randomBytes(71).toString('base64url')}`.slice(0, 108), codex: `sk-proj-${randomBytes(117).toString('base64url')}` };
  const certificates = makeCertificates(folder);
  const standIns = {};
  for (const agent of Object.keys(HOSTS)) {
    standIns[agent] = await startStandIn({ ...certificates, credential: values[agent], words: WORDS });
  }
  const resolve = Object.entries(HOSTS).flatMap(([agent, hosts]) => hosts.map((host) => `"${host}:443" = "${standIns[agent].address}"`));
  const data = join(folder, 'data');
  for (const name of ['data', 'user']) mkdirSync(join(folder, name), { mode: 0o700 });
  writeFileSync(join(data, 'tightlip.toml'), `[gateway]\nupstream_ca = "${certificates.authority}"\nresolve = { ${resolve.join(', ')} }\n`, { mode: 0o600 });
  const env = { PATH: `${PROGRAMS}:${process.env.PATH}`, HOME: join(folder, 'user'), TIGHTLIP_DATA: data, TERM: 'xterm-256color' };
  const server = spawn(BINARY, ['up', '--listen', '127.0.0.1:0', '--json'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise((ready, failed) => {
    createInterface({ input: server.stdout }).once('line', ready);
    server.once('exit', () => failed(new Error('the server ended before it was ready')));
  });
  return new Served({ folder, values, standIns, env, server });
}

class Served {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** A new, empty folder. */
  newFolder(name) {
    return mkdtempSync(join(this.folder, `${name}-`));
  }

  /** Runs tightlip with these arguments; gives its code and what it wrote. */
  tightlip(args, { input = '', env = {}, cwd = this.newFolder('work') } = {}) {
    return outcome(spawn(BINARY, args, { cwd, env: { ...this.env, ...env } }), input);
  }

  /** The same in a terminal: `say` is typed when the screen shows `prompt`, and the terminal hung up once it shows `until`. */
  terminal(args, { prompt, say, until, cwd = this.newFolder('work') }) {
    const driver = join(import.meta.dirname, 'terminal.py');
    return outcome(spawn('python3', [driver, prompt, say, until, BINARY, ...args], { cwd, env: this.env }), '');
  }

  async stop() {
    const ended = new Promise((done) => this.server.once('exit', done));
    this.server.kill('SIGTERM');
    await ended;
    await Promise.all(Object.values(this.standIns).map((standIn) => standIn.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a process wrote and came to. */
async function outcome(child, input) {
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => { out += text; });
  child.stderr.on('data', (text) => { err += text; });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise((done) => child.once('close', done));
  return { code, out, err };
}

/** The files in a folder that hold `text`, and how many there are. */
export function search(folder, text) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return { count: paths.length, holding: paths.filter((path) => readFileSync(path).includes(text)) };
}

/** An authority, and a certificate of it for all hosts. */
function makeCertificates(folder) {
  const file = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-days', '2', '-subj', '/CN=stand-in authority', '-keyout', file('authority.key'), '-out', file('authority.pem'));
  openssl('req', ...key, '-subj', '/CN=stand-in', '-keyout', file('key.pem'), '-out', file('request.pem'));
  const names = Object.values(HOSTS).flat().map((host) => `DNS:${host}`);
  writeFileSync(file('extensions'), `subjectAltName=${names.join(',')}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n`);
  const signing = ['-CA', file('authority.pem'), '-CAkey', file('authority.key'), '-CAcreateserial', '-days', '2', '-extfile', file('extensions')];
  openssl('x509', '-req', '-in', file('request.pem'), ...signing, '-out', file('certificate.pem'));
  return { authority: file('authority.pem'), certificate: readFileSync(file('certificate.pem')), key: readFileSync(file('key.pem')) };
}
