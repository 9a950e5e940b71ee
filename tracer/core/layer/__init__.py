"""Two paired layers: what differs between them, and which change makes them equal."""
