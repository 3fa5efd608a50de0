"""The JSON API, the pages, the live events and the mail: what people and their browsers speak to."""
