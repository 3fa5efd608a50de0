"""What host and technician share: dialling the relay, reconnecting, sealed streams."""
