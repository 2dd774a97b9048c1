#!/bin/sh
# verify.sh SECRET-FILE HEADERS-FILE BODY-FILE
secret=$(cat "$1")
header() { tr -d '\r' <"$headers" | awk -v name="$1:" 'tolower($1) == name { $1 = ""; print substr($0, 2) }'; }
headers=$2 body=$3

verify() {
  id=$(header webhook-id) timestamp=$(header webhook-timestamp)
  case $timestamp in '' | *[!0-9]*) return 1 ;; esac
  age=$(($(date +%s) - timestamp))
  [ "${age#-}" -le 300 ] || return 1
  key=$(printf %s "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
  expected=v1,$({ printf %s. "$id" "$timestamp" && cat "$body"; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
  for given in $(header webhook-signature); do
    [ "$given" = "$expected" ] && return 0
  done
  return 1
}

verify_plain() {
  expected=$(openssl dgst -sha256 -hmac "$secret" -r <"$body" | cut -d ' ' -f 1)
  for given in $(header x-mmconnect-signature) $(header x-mmconnect-signature-previous); do
    [ "$given" = "$expected" ] && return 0
  done
  return 1
}

verify && echo "webhook-signature matches"
verify_plain && echo "X-MMConnect-Signature matches"
