"""What asks a printed snippet about the requests in cases.json, one file for each language.

A driver prints one JSON list a case: what the standard check says, and what the plain one says.
"""

from __future__ import annotations

DRIVERS = {
    "receive.py": (
        "driver.py",
        """
import base64, http.client, io, json, sys
from receive import verify, verify_plain
for case in json.load(open("cases.json")):
    lines = "".join(f"{k}: {v}\\r\\n" for k, v in case["headers"].items()) + "\\r\\n"
    headers = http.client.parse_headers(io.BytesIO(lines.encode("latin-1")))
    body = base64.b64decode(case["body"])
    print(json.dumps([bool(f(case["secret"], headers, body)) for f in (verify, verify_plain)]))
""",
    ),
    "library.py": (
        "driver.py",
        """
import base64, json
from library import verify
for case in json.load(open("cases.json")):
    body = base64.b64decode(case["body"])
    print(json.dumps([verify(case["secret"], case["headers"], body), None]))
""",
    ),
    "receive.mjs": (
        "driver.mjs",
        """
import { readFileSync } from "node:fs";
process.env.PORT = "0";
const { verify, verifyPlain } = await import("./receive.mjs");
for (const { secret, headers, body } of JSON.parse(readFileSync("cases.json", "utf8"))) {
  const low = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v]));
  const raw = Buffer.from(body, "base64");
  console.log(JSON.stringify([verify(secret, low, raw), verifyPlain(secret, low, raw)]));
}
process.exit(0);
""",
    ),
    "verify.php": (
        "driver.php",
        """<?php
require 'verify.php';
foreach (json_decode(file_get_contents('cases.json'), true) as $case) {
    $headers = array_change_key_case($case['headers']);
    $body = base64_decode($case['body']);
    $asked = [$case['secret'], $headers, $body];
    echo json_encode([verify(...$asked), verify_plain(...$asked)]), "\\n";
}
""",
    ),
    "receive.go": (
        "receive_test.go",
        """package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	raw, _ := os.ReadFile("cases.json")
	var cases []struct {
		Secret  string
		Headers map[string]string
		Body    []byte
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		headers := http.Header{}
		for name, value := range c.Headers {
			headers.Set(name, value)
		}
		standard, plain := verify(c.Secret, headers, c.Body), verifyPlain(c.Secret, headers, c.Body)
		fmt.Printf("[%t,%t]\\n", standard, plain)
	}
}
""",
    ),
    "config.ru": (
        "driver.rb",
        """
require "stringio"
def run(app) = $app = app
eval File.read("config.ru"), binding, "config.ru"
JSON.parse(File.read("cases.json")).each do |c|
  low = c["headers"].transform_keys(&:downcase).transform_values(&:b)
  body = c["body"].unpack1("m")
  said = [verify(c["secret"], low, body), verify_plain(c["secret"], low, body)]
  ENV["WEBHOOK_SECRET"] = c["secret"]
  env = low.transform_keys { |k| "HTTP_" + k.upcase.tr("-", "_") }
  answers = 2.times.map { $app.call(env.merge("rack.input" => StringIO.new(body)))[0] }
  raise "#{answers} for #{said}" unless answers.uniq == [said[0] ? 204 : 401]
  puts JSON.generate(said)
end
""",
    ),
}
