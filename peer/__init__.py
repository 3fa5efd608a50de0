"""What host and technician share: dialling the relay, its tunnel, sealed streams, when to come back."""
