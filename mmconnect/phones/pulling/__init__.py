"""Fetching from phones: what no push brought, or could bring, is read from the phone itself."""
