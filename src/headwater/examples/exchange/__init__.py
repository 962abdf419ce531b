"""A trading venue: an order book with price-time priority, driven by recorded or synthetic order flow."""
