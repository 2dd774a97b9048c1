require "json"
require "openssl"

def verify(secret, headers, body)
  timestamp = headers["webhook-timestamp"].to_s
  return false if (Time.now.to_i - timestamp.to_i).abs > 300

  key = secret.delete_prefix("whsec_").unpack1("m")
  signed = "#{headers["webhook-id"]}.#{timestamp}.".b + body.b
  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", key, signed)].pack("m0")
  headers["webhook-signature"].to_s.split.any? { |given| OpenSSL.secure_compare(given, expected) }
end

def verify_plain(secret, headers, body)
  expected = OpenSSL::HMAC.hexdigest("SHA256", secret, body)
  %w[x-mmconnect-signature x-mmconnect-signature-previous].any? do |name|
    OpenSSL.secure_compare(headers[name].to_s, expected)
  end
end

texts = {} # your database: one row per id

run(lambda do |env|
  headers = env.transform_keys { |key| key.delete_prefix("HTTP_").tr("_", "-").downcase }
  body = env["rack.input"].read
  next [401, {}, []] unless verify(ENV.fetch("WEBHOOK_SECRET"), headers, body)

  text = JSON.parse(body)
  texts[text["id"]] = text
  [204, {}, []]
end)
