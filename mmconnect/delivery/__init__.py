"""The way out: deliveries are claimed, signed, POSTed and recorded."""
