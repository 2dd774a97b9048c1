package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func sign(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

func verify(secret string, headers http.Header, body []byte) bool {
	timestamp := headers.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if age := time.Now().Unix() - seconds; err != nil || age > 300 || age < -300 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	digest := sign(key, []byte(headers.Get("webhook-id")+"."+timestamp+"."), body)
	expected := "v1," + base64.StdEncoding.EncodeToString(digest)
	for _, given := range strings.Fields(headers.Get("webhook-signature")) {
		if hmac.Equal([]byte(given), []byte(expected)) {
			return true
		}
	}
	return false
}

func verifyPlain(secret string, headers http.Header, body []byte) bool {
	expected := []byte(hex.EncodeToString(sign([]byte(secret), body)))
	return hmac.Equal(expected, []byte(headers.Get("X-MMConnect-Signature"))) ||
		hmac.Equal(expected, []byte(headers.Get("X-MMConnect-Signature-Previous")))
}

var texts sync.Map // your database: one row per id

func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var text struct{ ID, From, Text string }
	if err := json.Unmarshal(body, &text); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	texts.Store(text.ID, text)
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8490"
	}
	log.Fatal(http.ListenAndServe(":"+port, http.HandlerFunc(receive)))
}
