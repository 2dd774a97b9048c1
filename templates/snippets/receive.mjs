import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

function same(a, b) {
  [a, b] = [Buffer.from(a), Buffer.from(b)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function verify(secret, headers, body) {
  const timestamp = headers["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - timestamp) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = createHmac("sha256", key).update(`${headers["webhook-id"]}.${timestamp}.`).update(body);
  const expected = "v1," + signed.digest("base64");
  return (headers["webhook-signature"] ?? "").split(" ").some((one) => same(one, expected));
}

export function verifyPlain(secret, headers, body) {
  const expected = createHmac("sha256", secret).update(body).digest("hex");
  return ["x-mmconnect-signature", "x-mmconnect-signature-previous"].some((name) =>
    same(headers[name] ?? "", expected),
  );
}

const texts = new Map(); // your database: one row per id

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!verify(process.env.WEBHOOK_SECRET, request.headers, body)) return response.writeHead(401).end();
  const text = JSON.parse(body);
  texts.set(text.id, text);
  response.writeHead(204).end();
}).listen(process.env.PORT ?? 8490);
