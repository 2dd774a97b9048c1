// The functions of recipes/node-red/flow.json, wired as the flow wires them, in plain node: what
// Node-RED gives a function node (msg, node, env, flow, modules) and its http nodes. FLOW names the
// file, LISTEN where to listen; the clock ticks every RETRY_SECONDS instead of every 15.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const nodes = Object.fromEntries(JSON.parse(readFileSync(process.env.FLOW)).map((one) => [one.id, one]));
const context = new Map();
const flow = { get: (name) => context.get(name), set: (name, value) => context.set(name, value) };
const env = { get: (name) => process.env[name] };

function run(node, msg) {
  const told = { status() {}, error: console.error, warn: console.error };
  const names = node.libs.map((lib) => lib.var);
  const code = new Function("msg", "node", "env", "flow", ...names, node.func);
  const out = code(msg, told, env, flow, ...node.libs.map((lib) => require(lib.module)));
  (Array.isArray(out) ? out : [out]).forEach((one, port) => {
    if (one) for (const to of node.wires[port]) setImmediate(hand, nodes[to], one);
  });
}

function hand(node, msg) {
  if (node.type === "function") run(node, msg);
  else if (node.type === "http response") msg.res.writeHead(msg.statusCode, msg.headers).end(msg.payload);
  else if (node.type === "http request") post(node, msg);
  else throw new Error(node.type);
}

function post(node, msg) {
  const next = (status) => {
    msg.statusCode = status;
    for (const to of node.wires[0]) hand(nodes[to], msg);
  };
  const sent = request(msg.url, { method: msg.method, headers: msg.headers }, (answer) => {
    answer.resume().on("end", () => next(answer.statusCode));
  });
  sent.on("error", (error) => next(error.code)).end(JSON.stringify(msg.payload));
}

const byType = (type) => Object.values(nodes).filter((node) => node.type === type);
const [entry] = byType("http in");
const raw = entry.skipBodyParsing && !process.env.PARSED; // PARSED: as Node-RED before 4.1 does
createServer(async (req, res) => {
  if (req.url !== entry.url || req.method !== entry.method.toUpperCase()) return res.writeHead(404).end();
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const payload = raw ? body : JSON.parse(body);
  for (const to of entry.wires[0]) hand(nodes[to], { req, res, payload });
}).listen(process.env.LISTEN.split(":")[1], "127.0.0.1");
for (const inject of byType("inject")) {
  const tick = () => inject.wires[0].forEach((to) => hand(nodes[to], { topic: inject.topic }));
  if (inject.once) tick();
  if (inject.repeat) setInterval(tick, process.env.RETRY_SECONDS * 1000);
}
