<?php
require __DIR__ . '/verify.php';

$body = file_get_contents('php://input');
$headers = array_change_key_case(getallheaders());
if (!verify(getenv('WEBHOOK_SECRET'), $headers, $body)) {
    http_response_code(401);
    exit;
}
$id = json_decode($body)->id;
file_put_contents("text-$id.json", $body); // your database: one row per id
http_response_code(204);
